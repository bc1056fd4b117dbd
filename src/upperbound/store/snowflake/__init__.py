"""What a store on Snowflake has that no other has; nothing here is imported unless a store is there."""
