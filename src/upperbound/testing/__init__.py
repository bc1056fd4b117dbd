"""What tests need to stand in for time; shipped, and never imported by production code."""
