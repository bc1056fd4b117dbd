"""Templates with their tags and versions, and the version that a run was made from."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from upperbound.store.types import UtcTimestamp

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Make the tables, and the column of runs."""
    op.add_column("run_status", sa.Column("template_version", sa.Integer()))
    op.create_table(
        "test_templates",
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("load_mode", sa.Text(), nullable=False),
        sa.Column("table_type", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTimestamp(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("updated_at", UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("template_id", name="pk_test_templates"),
        sa.UniqueConstraint("name", name="uq_test_templates_name"),
    )
    op.create_table(
        "template_tags",
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("tag_key", sa.Text(), nullable=False),
        sa.Column("tag_value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("template_id", "tag_key", name="pk_template_tags"),
    )
    op.create_index("ix_template_tags_tag_key_tag_value", "template_tags", ["tag_key", "tag_value"], unique=False)
    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("scenario", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("template_id", "version", name="pk_template_versions"),
    )
