/* schema.h - the tables of the SQLite store, and every statement on them.
 *
 * Text only: what the statements mean to rows.c is the order of their columns
 * and parameters, which is that of the lists in schema.c.
 */
#ifndef CALLBACKD_STORE_SCHEMA_H
#define CALLBACKD_STORE_SCHEMA_H

#include <stdint.h>

/* In the header of the file, so that file(1) and we know it: "cbkd". */
#define SCHEMA_APPLICATION_ID INT32_C(0x63626b64)
#define SCHEMA_VERSION 2

/* What makes version i + 1 out of version i; 0 is an empty file. */
extern const char *const schema_steps[SCHEMA_VERSION];

/* Where a list looks before it takes a whole row. */
enum listed_job_column {
	LISTED_SEQ,
	LISTED_STATUS,
	LISTED_QUEUE,
	LISTED_CLIENT
};
/* The same of DELIVERY_COLUMNS. */
enum delivery_column {
	COLUMN_SEQ = 0,
	COLUMN_STATE = 2,
	COLUMN_CREATED_AT = 3
};

enum statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_KEEP_TOTALS, /* accepted, ended, last_seq */
	SQL_GET_TOTALS,  /* -> accepted, ended, last_seq */
	SQL_KEEP_MARK,   /* mark */
	SQL_GET_MARK,    /* -> mark */

	SQL_ADD_JOB,          /* JOB_COLUMNS */
	SQL_ADD_REQUEST,      /* seq, REQUEST_COLUMNS, headers, body */
	SQL_UPDATE_OPEN_JOB,  /* JOB_CHANGES, seq, salt */
	SQL_UPDATE_ENDED_JOB, /* the same, for a row that has ended */
	SQL_RENEW_DELIVERY,   /* delivery_seq, delivery_salt, seq */
	SQL_GET_JOB,          /* seq -> JOB_COLUMNS, REQUEST_COLUMNS */
	SQL_LIST_JOBS, /* from seq, below seq -> seq, status, queue, client */
	SQL_LIST_OPEN_JOBS, /* the same, and status */
	SQL_EACH_QUEUED_JOB,
	SQL_EACH_RUNNING_JOB,
	SQL_COUNT_JOBS, /* -> queued, running */

	SQL_ADD_RESPONSE, /* seq, headers, body */
	SQL_GET_REQUEST,  /* seq -> headers, body */
	SQL_GET_RESPONSE,

	SQL_ADD_KEY,  /* client, key, job, fingerprint */
	SQL_FIND_KEY, /* client, key -> job, fingerprint */
	SQL_PAUSE,    /* name */
	SQL_RESUME,
	SQL_EACH_PAUSED,     /* -> name */
	SQL_SET_CLOCK,       /* boot_id, boot, wall, set_at, forward */
	SQL_GET_CLOCK,       /* -> the same */
	SQL_MOVE_JOBS,       /* by */
	SQL_MOVE_DELIVERIES, /* by */
	SQL_PROBE,

	SQL_ADD_DELIVERY,     /* DELIVERY_COLUMNS; nothing when it is there */
	SQL_REPLACE_DELIVERY, /* DELIVERY_COLUMNS */
	SQL_UPDATE_DELIVERY,  /* DELIVERY_CHANGES, seq, salt */
	SQL_GET_DELIVERY,     /* seq -> DELIVERY_COLUMNS */
	SQL_LIST_DELIVERIES,  /* below seq -> DELIVERY_COLUMNS */
	SQL_LIST_DEAD_DELIVERIES,
	SQL_EACH_OPEN_DELIVERY, /* -> seq, next_at, state, url */
	SQL_FIND_OPEN_DELIVERY, /* job, event -> seq */
	SQL_COUNT_DELIVERIES,   /* -> open ones */

	SQL_PURGE_END,      /* from, to, max -> last seq, count */
	SQL_PURGE_JOBS,     /* from, last, cutoff */
	SQL_PURGE_REQUESTS, /* from, last: what belongs to no job */
	SQL_PURGE_RESPONSES,
	SQL_PURGE_KEYS,
	SQL_PURGE_DELIVERIES,
	SQL_PURGE_MORE_DELIVERIES,

	STATEMENT_COUNT,
};
extern const char *const schema_statements[STATEMENT_COUNT];

#endif
