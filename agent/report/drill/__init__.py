"""Reports of drills: terminal, HTML, JSON, JUnit, post-mortem."""
