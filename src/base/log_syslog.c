/* log_syslog.c - lines to syslog(3), which adds time, name and process id.
 *
 * Any thread: libc locks.
 */
#include "log_syslog.h"

#include <syslog.h>

void
log_syslog_write(int severity, const char *line)
{
	syslog(LOG_DAEMON | severity, "%s", line);
}
