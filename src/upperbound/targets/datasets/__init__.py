"""Tables that scenarios run on, described as data: what they are, how many rows they have, and what is in each row."""
