/* The part of the measuring loop that runs for each query: take an answer, record it, send the next query.
 *
 * It works on connections that psycopg has opened, through the functions of psycopg's own libpq, whose addresses it is given.
 * Whatever is not the normal course of a query is handed back to Python, which decides and calls again. compiled_library.py
 * has the same structures; the sizes are compared when the library is loaded.
 */

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#define EXPORTED __attribute__((visibility("default")))

#define IDLE (-1)
/* An epoll call that takes less than the first, and the second for each event, found what had been there before. */
#define IMMEDIATE_NS 5000
#define IMMEDIATE_EVENT_NS 250
#define MOST_EVENTS 1024 /* All threads that a worker is built for: what is taken later would seem to have come later. */
#define BINARY_RESULT_NO 0

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
enum { PGRES_COMMAND_OK = 1, PGRES_TUPLES_OK = 2 };

/* Why the loop has come back. */
enum reason {
  SENT = 0,       /* Nothing to do: the query is on its way. */
  TURN_OVER = 1,  /* The time given to it is over. */
  FULL = 2,       /* The buffer of records is full. */
  BELL = 3,       /* Someone wants the housekeeping to be done. */
  ROWS = 4,       /* The client needs parameters for the operation it has chosen. */
  OPERATIONS = 5, /* The client needs to be told what comes next. */
  FAILED = 6,     /* The client's statement has failed; its result waits to be looked at. */
  BROKEN = 7,     /* The client's connection is broken. */
  REST = 8,       /* The client's operation has ended, and it may not send at once. */
  WATCH = 9,      /* libpq holds back a part of what the client sends, until there is room in the socket. */
  ASIDE = 10,     /* What Python has sent by itself has been answered; the result waits to be looked at. */
};

struct libpq {
  int (*consume_input)(PGconn *);
  int (*is_busy)(PGconn *);
  PGresult *(*get_result)(PGconn *);
  int (*result_status)(const PGresult *);
  int (*ntuples)(const PGresult *);
  char *(*cmd_tuples)(PGresult *);
  void (*clear)(PGresult *);
  int (*send_query_prepared)(PGconn *, const char *, int, const char *const *, const int *, const int *, int);
  int (*flush)(PGconn *);
};

struct statement {
  const char *name;
  const int *formats;
  int32_t parameters;
  int32_t first_parameter; /* Where they begin in the row of the operation. */
  int32_t may_block;       /* Whether they can be larger than a socket takes at once. */
};

struct operation {
  const struct statement *statements; /* Each is sent when the one before it has been answered. */
  int32_t statement_count;
  int32_t row_length; /* Parameters of all of them. */
};

/* The next executions of one operation by one client. */
struct rows {
  const char *const *values; /* A row after the other. */
  const int *lengths;
  int32_t next;
  int32_t count;
};

struct client {
  PGconn *connection;
  const int32_t *operations; /* What comes next. */
  struct rows *rows;         /* By operation. */
  const char *const *values; /* The row of the operation in flight. */
  const int *lengths;
  PGresult *result; /* Of the statement in flight, as far as it has come. */
  int64_t start_ns;
  int64_t end_ns;
  int64_t until_ns;      /* No operation is begun at or after this time. */
  int64_t sent_ns;       /* When a statement after the first was sent; what is before start_ns is of another operation. */
  int64_t lag_before_ns; /* How long the answers to the statements before waited for the generator. */
  uint32_t rows_before;  /* Rows that those statements have returned or affected. */
  int32_t statement;     /* Of the operation in flight. */
  int32_t retries;       /* Attempts of the operation before this one. */
  int32_t aside;         /* Whether what is in flight is none of its statements, but sent by Python. */
  int32_t operation;     /* In flight, or IDLE. */
  int32_t chosen;        /* Next, but not sent yet, or IDLE. */
  int32_t next_operation;
  int32_t operation_count;
  int32_t index;
};

struct __attribute__((packed)) record {
  int64_t intended_ns, start_ns, end_ns, lag_ns;
  uint32_t rows;
  uint16_t operation, thread, error;
  uint8_t outcome, retries;
};

struct loop {
  struct libpq pq;
  const struct operation *operations;
  struct client **clients; /* By file descriptor; NULL where none of ours is. */
  struct record *buffer;
  struct client *client; /* Whom the reason for coming back is about. */
  int64_t waited_ns;     /* Inside epoll, since the beginning. */
  int64_t previous_ns;   /* When epoll was last left, or the loop has begun. */
  int64_t since_ns;      /* The earliest that the events at hand may have been there. */
  int32_t descriptors;   /* The size of clients. */
  int32_t capacity;      /* Records that fit into the buffer. */
  int32_t used;
  int32_t epoll;
  int32_t bell;
  int32_t next_event;
  int32_t event_count;
  _Alignas(8) struct epoll_event events[MOST_EVENTS];
};

EXPORTED int64_t ub_size_of_loop(void) { return sizeof(struct loop); }
EXPORTED int64_t ub_size_of_loop_head(void) { return offsetof(struct loop, events); }
EXPORTED int64_t ub_size_of_client(void) { return sizeof(struct client); }
EXPORTED int64_t ub_size_of_statement(void) { return sizeof(struct statement); }
EXPORTED int64_t ub_size_of_operation(void) { return sizeof(struct operation); }
EXPORTED int64_t ub_size_of_rows(void) { return sizeof(struct rows); }
EXPORTED int64_t ub_size_of_record(void) { return sizeof(struct record); }

/* The clock of time.perf_counter_ns(). */
static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static enum reason send_statement(struct loop *loop, struct client *client) {
  const struct statement *statement = &loop->operations[client->operation].statements[client->statement];
  const char *const *values = statement->parameters > 0 ? client->values + statement->first_parameter : NULL;
  const int *lengths = statement->parameters > 0 ? client->lengths + statement->first_parameter : NULL;
  if (!loop->pq.send_query_prepared(client->connection, statement->name, statement->parameters, values, lengths,
                                    statement->formats, BINARY_RESULT_NO))
    return BROKEN;
  if (statement->may_block && loop->pq.flush(client->connection) != 0)
    return WATCH;
  return SENT;
}

static enum reason send_next(struct loop *loop, struct client *client, int64_t until_ns) {
  if (client->chosen == IDLE) {
    if (client->next_operation == client->operation_count)
      return OPERATIONS;
    client->chosen = client->operations[client->next_operation++];
  }
  int32_t row_length = loop->operations[client->chosen].row_length;
  struct rows *rows = &client->rows[client->chosen];
  if (row_length > 0 && rows->next == rows->count)
    return ROWS;
  int64_t start = now_ns();
  if (start >= until_ns)
    return REST;
  if (row_length > 0) {
    ptrdiff_t place = (ptrdiff_t)rows->next++ * row_length;
    client->values = rows->values + place;
    client->lengths = rows->lengths + place;
  }
  client->operation = client->chosen;
  client->chosen = IDLE;
  client->statement = 0;
  client->start_ns = start;
  return send_statement(loop, client);
}

/* Sends the client's next operation whatever the time is. */
EXPORTED int32_t ub_send(struct loop *loop, struct client *client) { return send_next(loop, client, INT64_MAX); }

/* Sends a statement of the client's operation in flight, with the row that it has. */
EXPORTED int32_t ub_send_statement(struct loop *loop, struct client *client) { return send_statement(loop, client); }

static void record(struct loop *loop, struct client *client) {
  loop->buffer[loop->used++] = (struct record){
      .intended_ns = client->start_ns,
      .start_ns = client->start_ns,
      .end_ns = client->end_ns,
      .lag_ns = client->lag_before_ns,
      .rows = client->rows_before,
      .operation = (uint16_t)client->operation,
      .thread = (uint16_t)client->index,
      .retries = (uint8_t)client->retries,
  };
  client->lag_before_ns = 0;
  client->rows_before = 0;
  client->retries = 0;
}

/* Takes what has come for a client. A statement has been answered when libpq has no further result of it. */
static enum reason take(struct loop *loop, struct client *client, uint32_t events) {
  const struct libpq *pq = &loop->pq;
  if (!pq->consume_input(client->connection))
    return BROKEN;
  for (;;) {
    if (pq->is_busy(client->connection))
      return events == EPOLLIN ? SENT : WATCH;
    PGresult *next = pq->get_result(client->connection);
    if (next == NULL)
      break;
    if (client->result == NULL)
      client->result = next;
    else
      pq->clear(next);
  }
  if (client->result == NULL)
    return SENT;
  client->end_ns = now_ns();
  int64_t sent = client->sent_ns > client->start_ns ? client->sent_ns : client->start_ns;
  client->lag_before_ns += client->end_ns - (loop->since_ns > sent ? loop->since_ns : sent);
  client->sent_ns = client->end_ns; /* Should another statement of the operation follow, it is sent now. */
  if (client->aside)
    return ASIDE;
  switch (pq->result_status(client->result)) {
  case PGRES_TUPLES_OK:
    client->rows_before += (uint32_t)pq->ntuples(client->result);
    break;
  case PGRES_COMMAND_OK:
    client->rows_before += (uint32_t)strtoul(pq->cmd_tuples(client->result), NULL, 10);
    break;
  default:
    return FAILED;
  }
  pq->clear(client->result);
  client->result = NULL;
  if (client->statement + 1 < loop->operations[client->operation].statement_count) {
    client->statement++;
    return send_statement(loop, client);
  }
  record(loop, client);
  client->operation = IDLE;
  enum reason reason = client->end_ns < client->until_ns ? send_next(loop, client, client->until_ns) : REST;
  return reason == SENT && loop->used == loop->capacity ? FULL : reason;
}

/* Handles what is ready until turn_end_ns; returns earlier with a reason that Python sees to.
 *
 * The events that have not been handled then are kept, and handled first by the next call.
 */
EXPORTED int32_t ub_spin(struct loop *loop, int64_t turn_end_ns) {
  for (;;) {
    while (loop->next_event < loop->event_count) {
      struct epoll_event *event = &loop->events[loop->next_event++];
      if (event->data.fd == loop->bell)
        return BELL;
      struct client *client = event->data.fd < loop->descriptors ? loop->clients[event->data.fd] : NULL;
      if (client == NULL)
        continue;
      enum reason reason = take(loop, client, event->events);
      if (reason != SENT) {
        loop->client = client;
        return reason;
      }
    }
    int64_t before = now_ns();
    if (before >= turn_end_ns)
      return TURN_OVER;
    int64_t wait_ms = (turn_end_ns - before + 999999) / 1000000;
    int ready = epoll_wait(loop->epoll, loop->events, MOST_EVENTS, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms);
    int64_t seen = now_ns();
    loop->waited_ns += seen - before;
    loop->next_event = 0;
    loop->event_count = ready < 0 ? 0 : ready; /* A signal is Python's: it is told when this call ends. */
    int64_t immediate = IMMEDIATE_NS + loop->event_count * IMMEDIATE_EVENT_NS;
    loop->since_ns = seen - before > immediate ? seen : loop->previous_ns;
    loop->previous_ns = seen;
    if (ready < 0)
      return TURN_OVER;
  }
}
