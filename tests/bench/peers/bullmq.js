// bullmq.js - the gateway on BullMQ and Redis: bullmq.js server|worker
'use strict';

const { Queue, Worker } = require('bullmq');
const gateway = require('./gateway.js');

const connection = { path: process.env.REDIS_SOCKET,
	maxRetriesPerRequest: null };
const options = { removeOnComplete: true, attempts: 3,
	backoff: { type: 'exponential', delay: 1000 } };

gateway.role({
	async server() {
		const queue = new Queue('bench', { connection });
		await queue.waitUntilReady();
		await gateway.front((id, job) =>
			queue.add('job', job, { ...options, jobId: id }));
	},
	async worker() {
		const worker = new Worker('bench',
			(job) => gateway.carryOut(job.id, job.data),
			{ connection, concurrency: gateway.concurrency });
		worker.on('error', (error) => console.error(error));
		await worker.waitUntilReady();
		console.log('ready');
	},
});
