/* run.c - making and freeing what travels between the ledger and the loops. */
#include "callbackd/run.h"

#include <stdlib.h>

struct run *
run_new(void)
{
	struct run *run = calloc(1, sizeof(*run));

	if (run == NULL)
		return NULL;
	job_init(&run->job);
	delivery_init(&run->delivery);
	run->asked_ms = -1;
	run->wait_ms = -1;
	return run;
}

void
run_free(struct run **run)
{
	if (*run == NULL)
		return;
	job_clear(&(*run)->job);
	payload_clear(&(*run)->request);
	payload_clear(&(*run)->response);
	delivery_clear(&(*run)->delivery);
	free((*run)->content_type);
	free(*run);
	*run = NULL;
}

struct post *
post_new(void)
{
	struct post *post = calloc(1, sizeof(*post));

	if (post == NULL)
		return NULL;
	delivery_init(&post->delivery);
	job_init(&post->job);
	post->asked_ms = -1;
	return post;
}

void
post_free(struct post **post)
{
	if (*post == NULL)
		return;
	delivery_clear(&(*post)->delivery);
	job_clear(&(*post)->job);
	payload_clear(&(*post)->request);
	payload_clear(&(*post)->response);
	free(*post);
	*post = NULL;
}
