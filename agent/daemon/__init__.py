"""`alertdrill run`: a load that never ends, drills by schedule, and what is told of both."""
