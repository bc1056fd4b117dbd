-- Results tables: what was measured.
-- Schema revision 0007; made by `upperbound store ddl --dialect postgresql`.

CREATE TABLE test_results (
  test_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  worker_id TEXT,
  worker_group_id INTEGER,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  phase TEXT NOT NULL,
  start_time TIMESTAMP WITH TIME ZONE,
  end_time TIMESTAMP WITH TIME ZONE,
  load_mode TEXT,
  scaling_mode TEXT,
  threads INTEGER,
  worker_count INTEGER,
  operations BIGINT DEFAULT 0 NOT NULL,
  failed BIGINT DEFAULT 0 NOT NULL,
  warmup_operations BIGINT DEFAULT 0 NOT NULL,
  duration_s DOUBLE PRECISION,
  qps DOUBLE PRECISION,
  figures JSON,
  summary JSON,
  query_log JSON,
  server_view JSON,
  environment JSON,
  failure_reason TEXT,
  enrichment_status TEXT,
  enrichment_reason TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_test_results PRIMARY KEY (test_id)
);

CREATE INDEX ix_test_results_run_id ON test_results (run_id);

CREATE TABLE worker_metrics_snapshots (
  run_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  test_id TEXT NOT NULL,
  worker_group_id INTEGER NOT NULL,
  worker_group_count INTEGER NOT NULL,
  phase TEXT NOT NULL,
  captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
  elapsed_s DOUBLE PRECISION NOT NULL,
  operations BIGINT DEFAULT 0 NOT NULL,
  failed BIGINT DEFAULT 0 NOT NULL,
  qps DOUBLE PRECISION NOT NULL,
  p50_ms DOUBLE PRECISION,
  p95_ms DOUBLE PRECISION,
  p99_ms DOUBLE PRECISION,
  active_threads INTEGER NOT NULL,
  target_threads INTEGER NOT NULL,
  figures JSON NOT NULL,
  CONSTRAINT pk_worker_metrics_snapshots PRIMARY KEY (run_id, worker_id, sequence)
);

CREATE INDEX ix_worker_metrics_snapshots_run_id_phase_worker_id_sequence ON worker_metrics_snapshots (run_id, phase, worker_id, sequence);

CREATE TABLE query_executions (
  execution_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  test_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  thread INTEGER NOT NULL,
  kind TEXT NOT NULL,
  operation TEXT NOT NULL,
  phase TEXT NOT NULL,
  warmup BOOLEAN NOT NULL,
  intended_at TIMESTAMP WITH TIME ZONE NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
  response_us BIGINT NOT NULL,
  service_us BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  error_code TEXT,
  error TEXT,
  rows BIGINT NOT NULL,
  attempts INTEGER NOT NULL,
  server_query_id TEXT
)
 PARTITION BY HASH (run_id);

CREATE INDEX ix_query_executions_run_id_worker_id ON query_executions (run_id, worker_id);

CREATE TABLE server_executions (
  run_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  server_query_id TEXT NOT NULL,
  phase TEXT NOT NULL,
  status TEXT NOT NULL,
  error_code TEXT,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  elapsed_ms BIGINT NOT NULL,
  execution_ms BIGINT NOT NULL,
  compilation_ms BIGINT NOT NULL,
  queued_ms BIGINT NOT NULL,
  blocked_ms BIGINT NOT NULL,
  cluster_number INTEGER,
  warehouse_size TEXT,
  rows_produced BIGINT,
  bytes_scanned BIGINT,
  cache_pct DOUBLE PRECISION
);

CREATE INDEX ix_server_executions_run_id_server_query_id ON server_executions (run_id, server_query_id);

CREATE TABLE test_logs (
  run_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  writer TEXT NOT NULL,
  writer_number BIGINT NOT NULL,
  source TEXT NOT NULL,
  worker_id TEXT,
  level TEXT NOT NULL,
  logger TEXT NOT NULL,
  message TEXT NOT NULL,
  logged_at TIMESTAMP WITH TIME ZONE NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_test_logs PRIMARY KEY (run_id, sequence),
  CONSTRAINT uq_test_logs_run_id_writer_writer_number UNIQUE (run_id, writer, writer_number)
);

CREATE TABLE warehouse_poll_snapshots (
  poll_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  elapsed_s DOUBLE PRECISION NOT NULL,
  warehouse TEXT NOT NULL,
  state TEXT NOT NULL,
  size TEXT,
  min_clusters INTEGER,
  max_clusters INTEGER,
  started_clusters INTEGER,
  running INTEGER NOT NULL,
  queued INTEGER NOT NULL,
  scaling_policy TEXT,
  polled_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_warehouse_poll_snapshots PRIMARY KEY (poll_id)
);

CREATE INDEX ix_warehouse_poll_snapshots_run_id_polled_at ON warehouse_poll_snapshots (run_id, polled_at);

CREATE TABLE find_max_step_history (
  run_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  threads INTEGER NOT NULL,
  workers INTEGER NOT NULL,
  began_s DOUBLE PRECISION NOT NULL,
  settled_s DOUBLE PRECISION NOT NULL,
  seconds DOUBLE PRECISION NOT NULL,
  operations BIGINT DEFAULT 0 NOT NULL,
  failed BIGINT DEFAULT 0 NOT NULL,
  qps DOUBLE PRECISION NOT NULL,
  p50_ms DOUBLE PRECISION,
  p95_ms DOUBLE PRECISION,
  p99_ms DOUBLE PRECISION,
  limiter TEXT,
  reason TEXT NOT NULL,
  recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_find_max_step_history PRIMARY KEY (run_id, step)
);

CREATE TABLE test_templates (
  template_id TEXT NOT NULL,
  name TEXT NOT NULL,
  latest_version INTEGER NOT NULL,
  load_mode TEXT NOT NULL,
  table_type TEXT NOT NULL,
  search_text TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_by TEXT NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_test_templates PRIMARY KEY (template_id),
  CONSTRAINT uq_test_templates_name UNIQUE (name)
);

CREATE TABLE template_tags (
  template_id TEXT NOT NULL,
  tag_key TEXT NOT NULL,
  tag_value TEXT NOT NULL,
  CONSTRAINT pk_template_tags PRIMARY KEY (template_id, tag_key)
);

CREATE INDEX ix_template_tags_tag_key_tag_value ON template_tags (tag_key, tag_value);

CREATE TABLE template_versions (
  template_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  scenario JSON NOT NULL,
  note TEXT NOT NULL,
  saved_by TEXT NOT NULL,
  saved_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_template_versions PRIMARY KEY (template_id, version)
);

CREATE TABLE template_value_pools (
  pool_id TEXT NOT NULL,
  template_id TEXT,
  template_version INTEGER,
  state TEXT NOT NULL,
  target TEXT NOT NULL,
  server TEXT NOT NULL,
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  value_limit BIGINT NOT NULL,
  seed BIGINT NOT NULL,
  value_type TEXT NOT NULL,
  encoding TEXT NOT NULL,
  value_count BIGINT DEFAULT 0 NOT NULL,
  value_bytes BIGINT DEFAULT 0 NOT NULL,
  chunk_count BIGINT DEFAULT 0 NOT NULL,
  table_state JSON NOT NULL,
  sampled_by TEXT NOT NULL,
  sampled_at TIMESTAMP WITH TIME ZONE NOT NULL,
  touched_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_template_value_pools PRIMARY KEY (pool_id)
);

CREATE INDEX ix_template_value_pools_template_id_target ON template_value_pools (template_id, target);

CREATE TABLE template_value_chunks (
  pool_id TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  value_count INTEGER NOT NULL,
  value_bytes INTEGER NOT NULL,
  data BYTEA NOT NULL,
  CONSTRAINT pk_template_value_chunks PRIMARY KEY (pool_id, chunk)
);

CREATE TABLE run_value_pools (
  run_id TEXT NOT NULL,
  pool_id TEXT NOT NULL,
  CONSTRAINT pk_run_value_pools PRIMARY KEY (run_id, pool_id)
);

CREATE INDEX ix_run_value_pools_pool_id ON run_value_pools (pool_id);

CREATE TABLE query_executions_p00 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 0);

CREATE TABLE query_executions_p01 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 1);

CREATE TABLE query_executions_p02 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 2);

CREATE TABLE query_executions_p03 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 3);

CREATE TABLE query_executions_p04 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 4);

CREATE TABLE query_executions_p05 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 5);

CREATE TABLE query_executions_p06 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 6);

CREATE TABLE query_executions_p07 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 7);

CREATE TABLE query_executions_p08 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 8);

CREATE TABLE query_executions_p09 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 9);

CREATE TABLE query_executions_p10 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 10);

CREATE TABLE query_executions_p11 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 11);

CREATE TABLE query_executions_p12 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 12);

CREATE TABLE query_executions_p13 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 13);

CREATE TABLE query_executions_p14 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 14);

CREATE TABLE query_executions_p15 PARTITION OF query_executions FOR VALUES WITH (MODULUS 16, REMAINDER 15);
