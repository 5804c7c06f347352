/* background.h - leaving the terminal, honestly: the command returns when the
 * daemon serves, or fails with its exit status. */
#ifndef CALLBACKD_BACKGROUND_H
#define CALLBACKD_BACKGROUND_H

/* Before any thread and any store: the caller goes on as the daemon, with a
 * session of its own; the process that was called waits for background_ready.
 * Returns the descriptor for it. Ends the process when that cannot be done. */
int background_enter(void);

/* The daemon serves: the waiting process ends with 0, and the standard streams
 * lead nowhere from now on. */
void background_ready(int ready_fd);

#endif
