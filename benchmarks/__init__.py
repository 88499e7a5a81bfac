"""What netlab costs beside the kernel's own work: `benchmarks/run`, described in docs/benchmarks.md."""
