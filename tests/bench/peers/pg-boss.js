// pg-boss.js - the gateway on pg-boss and PostgreSQL: pg-boss.js server|worker
//
// Jobs are fetched and completed in batches, and asked for every 10 ms when
// there were none: its own work() asks twice a second at most.
'use strict';

const PgBoss = require('pg-boss');
const gateway = require('./gateway.js');

const options = { host: process.env.PGHOST, database: 'postgres',
	user: 'postgres', max: 16 };

async function start() {
	const boss = new PgBoss(options);
	boss.on('error', (error) => console.error(error));
	await boss.start();
	await boss.createQueue('bench', { retryLimit: 3 });
	return boss;
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

gateway.role({
	async server() {
		const boss = await start();
		await gateway.front((id, job) => boss.send('bench', job, { id }));
	},
	async worker() {
		const boss = await start();
		console.log('ready');
		for (;;) {
			const jobs = await boss.fetch('bench',
				{ batchSize: gateway.concurrency });
			if (jobs.length === 0) {
				await pause();
				continue;
			}
			await Promise.all(jobs.map((job) =>
				gateway.carryOut(job.id, job.data)));
			await boss.complete('bench', jobs.map((job) => job.id));
		}
	},
});
