"""Where results go: files that survive what happens on a line, and a page that shows it."""
