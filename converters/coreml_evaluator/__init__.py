"""The ``coreml-reference`` runtime: any ML program, on any system, by emulation."""
