"""Can the data be believed? What is wrong with a set of images, before and after something was trained on it."""
