-- Control tables: what runs and workers decide on.
-- Schema revision 0007; made by `upperbound store ddl --dialect snowflake`.

CREATE HYBRID TABLE IF NOT EXISTS run_status (
  run_id TEXT NOT NULL,
  template_id TEXT,
  template_version INTEGER,
  name TEXT NOT NULL,
  scenario_config TEXT NOT NULL,
  status TEXT NOT NULL,
  phase TEXT NOT NULL,
  start_time TIMESTAMP_NTZ,
  warmup_start_time TIMESTAMP_NTZ,
  warmup_end_time TIMESTAMP_NTZ,
  end_time TIMESTAMP_NTZ,
  total_workers_expected INTEGER NOT NULL,
  workers_registered BIGINT NOT NULL DEFAULT 0,
  workers_active BIGINT NOT NULL DEFAULT 0,
  workers_completed BIGINT NOT NULL DEFAULT 0,
  total_ops BIGINT NOT NULL DEFAULT 0,
  error_count BIGINT NOT NULL DEFAULT 0,
  current_qps DOUBLE NOT NULL DEFAULT 0,
  worker_targets TEXT NOT NULL,
  next_sequence_id BIGINT NOT NULL DEFAULT 1,
  find_max_state TEXT,
  qps_controller_state TEXT,
  guardrail_state TEXT,
  completion_reason TEXT,
  cancellation_reason TEXT,
  lease_owner TEXT,
  lease_expires_at TIMESTAMP_NTZ,
  status_changed_at TIMESTAMP_NTZ NOT NULL,
  created_at TIMESTAMP_NTZ NOT NULL,
  updated_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_run_status PRIMARY KEY (run_id),
  INDEX ix_run_status_created_at (created_at)
);

CREATE HYBRID TABLE IF NOT EXISTS run_control_events (
  event_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  sequence_id BIGINT NOT NULL,
  event_type TEXT NOT NULL,
  scope TEXT NOT NULL,
  event_data TEXT NOT NULL,
  created_at TIMESTAMP_NTZ NOT NULL,
  CONSTRAINT pk_run_control_events PRIMARY KEY (event_id),
  CONSTRAINT uq_run_control_events_run_id_sequence_id UNIQUE (run_id, sequence_id),
  CONSTRAINT fk_run_control_events_run_status FOREIGN KEY(run_id) REFERENCES run_status (run_id)
);

CREATE HYBRID TABLE IF NOT EXISTS worker_heartbeats (
  run_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  worker_group_id INTEGER NOT NULL,
  status TEXT NOT NULL,
  phase TEXT NOT NULL,
  last_heartbeat TIMESTAMP_NTZ NOT NULL,
  heartbeat_count BIGINT NOT NULL,
  active_threads INTEGER NOT NULL,
  target_threads INTEGER NOT NULL,
  cpu_pct DOUBLE,
  memory_pct DOUBLE,
  queries BIGINT NOT NULL,
  errors BIGINT NOT NULL,
  last_error TEXT,
  detail TEXT,
  CONSTRAINT pk_worker_heartbeats PRIMARY KEY (run_id, worker_id),
  CONSTRAINT fk_worker_heartbeats_run_status FOREIGN KEY(run_id) REFERENCES run_status (run_id)
);

CREATE HYBRID TABLE IF NOT EXISTS store_locks (
  lock_name TEXT NOT NULL,
  taken BIGINT NOT NULL,
  CONSTRAINT pk_store_locks PRIMARY KEY (lock_name)
);

CREATE HYBRID TABLE IF NOT EXISTS upperbound_schema_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT upperbound_schema_version_pkc PRIMARY KEY (version_num)
);

INSERT INTO upperbound_schema_version (version_num) SELECT '0007' WHERE NOT EXISTS (SELECT 1 FROM upperbound_schema_version);
