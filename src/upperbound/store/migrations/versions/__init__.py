"""One module per revision of the schema; what a revision does is never changed once released."""
