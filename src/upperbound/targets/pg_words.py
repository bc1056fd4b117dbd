"""What PostgreSQL or its driver said of an error, for messages of one line."""

import psycopg


def said(error: psycopg.Error) -> str:
    """Return the server's own message, or else the driver's, whose line breaks become blanks."""
    return " ".join((error.diag.message_primary or str(error)).split()) or "no reason given"
