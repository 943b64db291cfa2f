"""The live console: textual, one module per screen and per widget. `snatsh top` starts it."""
