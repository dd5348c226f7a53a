"""What people wrote, checked: campaigns, curves, segments, the shop. The only use of YAML."""
