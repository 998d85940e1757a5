"""The only place where decisions, rows and the outside meet: it hears, decides, acts, and writes down why."""
