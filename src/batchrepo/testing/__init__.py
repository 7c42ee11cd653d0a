"""Help for testing applications that use batchrepo, and the contract suites that its own parts must pass."""
