"""What the studio, the public pages and the preview share: the door, the limits, the server."""
