"""batchrepo side by side with its alternatives: `python -m benchmarks`.

A workload (`benchmarks.workloads`) is one request; a stack is one way to answer it. All stacks of a
workload must give equal answers, run in turn in one process, and share nothing but the database.
"""
