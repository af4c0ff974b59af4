"""The rules: plain Python that computes, without orchestrator, network or clock."""
