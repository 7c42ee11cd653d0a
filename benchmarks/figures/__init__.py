"""What readers see of `results.json`: docs/benchmarks.md, its pictures, and the tables of README.md. Nothing is measured."""
