// graphile.js - the gateway on Graphile Worker and PostgreSQL:
// graphile.js server|worker
'use strict';

const { Logger, makeWorkerUtils, run } = require('graphile-worker');
const { Pool } = require('pg');
const gateway = require('./gateway.js');

const pgPool = new Pool({ host: process.env.PGHOST, database: 'postgres',
	user: 'postgres', max: 20 });
const logger = new Logger(() => () => {});

gateway.role({
	async server() {
		const utils = await makeWorkerUtils({ pgPool, logger });
		await utils.migrate();
		await gateway.front((id, job) =>
			utils.addJob('job', { id, ...job }, { maxAttempts: 3 }));
	},
	async worker() {
		await run({
			pgPool, logger, noHandleSignals: true,
			concurrency: gateway.concurrency, pollInterval: 1000,
			taskList: { job: (job) => gateway.carryOut(job.id, job) },
			preset: { worker: { localQueue: { size: 128 },
				completeJobBatchDelay: 5, failJobBatchDelay: 5 } },
		});
		console.log('ready');
	},
});
