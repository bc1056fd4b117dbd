-- Results tables: what was measured.
-- Schema revision 0007; made by `upperbound store ddl --dialect snowflake`.

CREATE TABLE IF NOT EXISTS test_results (
  test_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  worker_id TEXT,
  worker_group_id INTEGER,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  phase TEXT NOT NULL,
  start_time TIMESTAMP_NTZ,
  end_time TIMESTAMP_NTZ,
  load_mode TEXT,
  scaling_mode TEXT,
  threads INTEGER,
  worker_count INTEGER,
  operations BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  warmup_operations BIGINT NOT NULL DEFAULT 0,
  duration_s DOUBLE,
  qps DOUBLE,
  figures TEXT,
  summary TEXT,
  query_log TEXT,
  server_view TEXT,
  environment TEXT,
  failure_reason TEXT,
  enrichment_status TEXT,
  enrichment_reason TEXT,
  created_at TIMESTAMP_NTZ NOT NULL,
  updated_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_test_results PRIMARY KEY (test_id)
);

CREATE TABLE IF NOT EXISTS worker_metrics_snapshots (
  run_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  test_id TEXT NOT NULL,
  worker_group_id INTEGER NOT NULL,
  worker_group_count INTEGER NOT NULL,
  phase TEXT NOT NULL,
  captured_at TIMESTAMP_NTZ NOT NULL,
  elapsed_s DOUBLE NOT NULL,
  operations BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  qps DOUBLE NOT NULL,
  p50_ms DOUBLE,
  p95_ms DOUBLE,
  p99_ms DOUBLE,
  active_threads INTEGER NOT NULL,
  target_threads INTEGER NOT NULL,
  figures TEXT NOT NULL,
  CONSTRAINT pk_worker_metrics_snapshots PRIMARY KEY (run_id, worker_id, sequence)
);

CREATE TABLE IF NOT EXISTS query_executions (
  execution_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  test_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  thread INTEGER NOT NULL,
  kind TEXT NOT NULL,
  operation TEXT NOT NULL,
  phase TEXT NOT NULL,
  warmup BOOLEAN NOT NULL,
  intended_at TIMESTAMP_NTZ NOT NULL,
  started_at TIMESTAMP_NTZ NOT NULL,
  ended_at TIMESTAMP_NTZ NOT NULL,
  response_us BIGINT NOT NULL,
  service_us BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  error_code TEXT,
  error TEXT,
  "rows" BIGINT NOT NULL,
  attempts INTEGER NOT NULL,
  server_query_id TEXT
);

CREATE TABLE IF NOT EXISTS server_executions (
  run_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  server_query_id TEXT NOT NULL,
  phase TEXT NOT NULL,
  status TEXT NOT NULL,
  error_code TEXT,
  started_at TIMESTAMP_NTZ NOT NULL,
  elapsed_ms BIGINT NOT NULL,
  execution_ms BIGINT NOT NULL,
  compilation_ms BIGINT NOT NULL,
  queued_ms BIGINT NOT NULL,
  blocked_ms BIGINT NOT NULL,
  cluster_number INTEGER,
  warehouse_size TEXT,
  rows_produced BIGINT,
  bytes_scanned BIGINT,
  cache_pct DOUBLE
);

CREATE TABLE IF NOT EXISTS test_logs (
  run_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  writer TEXT NOT NULL,
  writer_number BIGINT NOT NULL,
  source TEXT NOT NULL,
  worker_id TEXT,
  level TEXT NOT NULL,
  logger TEXT NOT NULL,
  message TEXT NOT NULL,
  logged_at TIMESTAMP_NTZ NOT NULL,
  received_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_test_logs PRIMARY KEY (run_id, sequence),
  CONSTRAINT uq_test_logs_run_id_writer_writer_number UNIQUE (run_id, writer, writer_number)
);

CREATE TABLE IF NOT EXISTS warehouse_poll_snapshots (
  poll_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  elapsed_s DOUBLE NOT NULL,
  warehouse TEXT NOT NULL,
  state TEXT NOT NULL,
  size TEXT,
  min_clusters INTEGER,
  max_clusters INTEGER,
  started_clusters INTEGER,
  running INTEGER NOT NULL,
  queued INTEGER NOT NULL,
  scaling_policy TEXT,
  polled_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_warehouse_poll_snapshots PRIMARY KEY (poll_id)
);

CREATE TABLE IF NOT EXISTS find_max_step_history (
  run_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  threads INTEGER NOT NULL,
  workers INTEGER NOT NULL,
  began_s DOUBLE NOT NULL,
  settled_s DOUBLE NOT NULL,
  seconds DOUBLE NOT NULL,
  operations BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  qps DOUBLE NOT NULL,
  p50_ms DOUBLE,
  p95_ms DOUBLE,
  p99_ms DOUBLE,
  limiter TEXT,
  reason TEXT NOT NULL,
  recorded_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_find_max_step_history PRIMARY KEY (run_id, step)
);

CREATE TABLE IF NOT EXISTS test_templates (
  template_id TEXT NOT NULL,
  name TEXT NOT NULL,
  latest_version INTEGER NOT NULL,
  load_mode TEXT NOT NULL,
  table_type TEXT NOT NULL,
  search_text TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP_NTZ NOT NULL,
  updated_by TEXT NOT NULL,
  updated_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_test_templates PRIMARY KEY (template_id),
  CONSTRAINT uq_test_templates_name UNIQUE (name)
);

CREATE TABLE IF NOT EXISTS template_tags (
  template_id TEXT NOT NULL,
  tag_key TEXT NOT NULL,
  tag_value TEXT NOT NULL,
  CONSTRAINT pk_template_tags PRIMARY KEY (template_id, tag_key)
);

CREATE TABLE IF NOT EXISTS template_versions (
  template_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  scenario TEXT NOT NULL,
  note TEXT NOT NULL,
  saved_by TEXT NOT NULL,
  saved_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_template_versions PRIMARY KEY (template_id, version)
);

CREATE TABLE IF NOT EXISTS template_value_pools (
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
  value_count BIGINT NOT NULL DEFAULT 0,
  value_bytes BIGINT NOT NULL DEFAULT 0,
  chunk_count BIGINT NOT NULL DEFAULT 0,
  table_state TEXT NOT NULL,
  sampled_by TEXT NOT NULL,
  sampled_at TIMESTAMP_NTZ NOT NULL,
  touched_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_template_value_pools PRIMARY KEY (pool_id)
);

CREATE TABLE IF NOT EXISTS template_value_chunks (
  pool_id TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  value_count INTEGER NOT NULL,
  value_bytes INTEGER NOT NULL,
  data BINARY NOT NULL,
  CONSTRAINT pk_template_value_chunks PRIMARY KEY (pool_id, chunk)
);

CREATE TABLE IF NOT EXISTS run_value_pools (
  run_id TEXT NOT NULL,
  pool_id TEXT NOT NULL,
  CONSTRAINT pk_run_value_pools PRIMARY KEY (run_id, pool_id)
);

CREATE STAGE IF NOT EXISTS query_executions_stage FILE_FORMAT = (TYPE = PARQUET);
