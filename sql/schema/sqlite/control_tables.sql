-- Control tables: what runs and workers decide on.
-- Schema revision 0007; made by `upperbound store ddl --dialect sqlite`.

CREATE TABLE run_status (
  run_id TEXT NOT NULL,
  template_id TEXT,
  template_version INTEGER,
  name TEXT NOT NULL,
  scenario_config JSON NOT NULL,
  status TEXT NOT NULL,
  phase TEXT NOT NULL,
  start_time TEXT,
  warmup_start_time TEXT,
  warmup_end_time TEXT,
  end_time TEXT,
  total_workers_expected INTEGER NOT NULL,
  workers_registered BIGINT DEFAULT 0 NOT NULL,
  workers_active BIGINT DEFAULT 0 NOT NULL,
  workers_completed BIGINT DEFAULT 0 NOT NULL,
  total_ops BIGINT DEFAULT 0 NOT NULL,
  error_count BIGINT DEFAULT 0 NOT NULL,
  current_qps DOUBLE DEFAULT 0 NOT NULL,
  worker_targets JSON NOT NULL,
  next_sequence_id BIGINT DEFAULT 1 NOT NULL,
  find_max_state JSON,
  qps_controller_state JSON,
  guardrail_state JSON,
  completion_reason TEXT,
  cancellation_reason TEXT,
  lease_owner TEXT,
  lease_expires_at TEXT,
  status_changed_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  CONSTRAINT pk_run_status PRIMARY KEY (run_id)
);

CREATE INDEX ix_run_status_created_at ON run_status (created_at);

CREATE TABLE run_control_events (
  event_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  sequence_id BIGINT NOT NULL,
  event_type TEXT NOT NULL,
  scope TEXT NOT NULL,
  event_data JSON NOT NULL,
  created_at TEXT NOT NULL,
  CONSTRAINT pk_run_control_events PRIMARY KEY (event_id),
  CONSTRAINT uq_run_control_events_run_id_sequence_id UNIQUE (run_id, sequence_id),
  CONSTRAINT fk_run_control_events_run_status FOREIGN KEY(run_id) REFERENCES run_status (run_id) ON DELETE CASCADE
);

CREATE TABLE worker_heartbeats (
  run_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  worker_group_id INTEGER NOT NULL,
  status TEXT NOT NULL,
  phase TEXT NOT NULL,
  last_heartbeat TEXT NOT NULL,
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
  CONSTRAINT fk_worker_heartbeats_run_status FOREIGN KEY(run_id) REFERENCES run_status (run_id) ON DELETE CASCADE
);

CREATE TABLE upperbound_schema_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT upperbound_schema_version_pkc PRIMARY KEY (version_num)
);

INSERT INTO upperbound_schema_version (version_num) VALUES ('0007');
