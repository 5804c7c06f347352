/* log_syslog.h - the last step of a line that goes to syslog.
 *
 * Private to src/base. A door of its own because <syslog.h> calls a facility
 * LOG_SYSLOG, as log.h does a format. Any thread.
 */
#ifndef CALLBACKD_LOG_SYSLOG_H
#define CALLBACKD_LOG_SYSLOG_H

/* severity as in RFC 5424: 3 error, 4 warning, 6 informational, 7 debug. */
void log_syslog_write(int severity, const char *line);

#endif
