"""The desk's pages. They read selectors and render; every change goes through `polybot.dashboard.actions`."""
