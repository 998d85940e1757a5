"""The benchmarks: figures and ratios, never a pass or a fail by the clock."""
