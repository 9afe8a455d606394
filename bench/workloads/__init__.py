"""What is measured: one module a workload, with `run(book, effort)`."""
