// watch_npm.mjs - the npm packages ws and eventsource as watchers.
//
//   node watch_npm.mjs DAEMON PORT
//
// Run by watch_npm, in a folder that has the packages. Starts an upstream and
// the daemon, which listens on PORT (and on PORT + 1 for the operator); streams
// are cut again and again by the client; every event must come once, in order.
// Says what it has seen, and fails when that is not so.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, Agent, request } from 'node:http';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';

const [daemon, port] = [process.argv[2], Number(process.argv[3])];
const base = `http://127.0.0.1:${port}`;
const life = ['queued', 'running', 'succeeded'];
const agent = new Agent({ keepAlive: true });
const reconnects = 100;

function post(path) {
	return new Promise((resolve, reject) => {
		const asked = request(base + path, { method: 'POST', agent });
		asked.on('error', reject);
		asked.on('response', (reply) => {
			let text = '';
			reply.on('data', (piece) => (text += piece));
			reply.on('end', () => resolve(JSON.parse(text)));
		});
		asked.end('x');
	});
}

// Each job must be seen queued, running, succeeded; true for a whole life.
class Lives {
	seen = new Map();
	take(document, event) {
		const at = this.seen.get(document.id) ?? 0;
		assert.equal(document.status, life[at]);
		if (event !== undefined)
			assert.equal(event, `job.${life[at]}`);
		this.seen.set(document.id, at + 1);
	}
	count() {
		let all = 0;
		for (const seen of this.seen.values())
			all += seen;
		return all;
	}
}

async function until(condition, what) {
	const deadline = Date.now() + 60000;
	while (!condition()) {
		assert(Date.now() < deadline, `waited in vain for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

const names = [...life, 'failed', 'cancelled'].map((name) => `job.${name}`);

async function watchAllWithEventSource() {
	const lives = new Lives();
	let lastId = '';
	let events = 0;
	let source;
	const open = () => {
		source = new EventSource(`${base}/v1/events`, {
			fetch: (url, init) => fetch(url, {
				...init,
				headers: lastId === '' ? init.headers :
				    { ...init.headers, 'Last-Event-ID': lastId },
			}),
		});
		for (const name of names)
			source.addEventListener(name, (event) => {
				lives.take(JSON.parse(event.data), name);
				lastId = event.lastEventId;
				events++;
			});
		return once(source, 'open');
	};
	await open();
	for (let i = 0; i < reconnects; i++) {
		await Promise.all([post('/mill/ok'), post('/mill/ok')]);
		await until(() => events > i * 2, 'an event');
		source.close();
		if (i % 2 === 0)
			await post('/mill/ok');
		await open();
	}
	const expected = (reconnects * 2 + reconnects / 2) * life.length;
	await until(() => lives.count() === expected, `${expected} events`);
	source.close();
	console.log(`eventsource: ${lives.count()} events of ` +
	    `${lives.seen.size} jobs in order, over ${reconnects} reconnects`);
}

async function watchJobWithEventSource() {
	const job = await post('/mill/slow');
	const source = new EventSource(`${base}/v1/jobs/${job.id}/events`);
	const seen = [];
	for (const name of names)
		source.addEventListener(name, (event) => {
			seen.push(JSON.parse(event.data).status);
			if (name === 'job.succeeded')
				source.close();
		});
	await until(() => source.readyState === EventSource.CLOSED, 'the end');
	assert.deepEqual(seen, ['running', 'succeeded']);
	console.log(`eventsource: one job ${seen.join(', ')}`);
}

async function watchJobWithSocket() {
	const job = await post('/mill/slow');
	const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/jobs/${job.id}/events`);
	const seen = [];
	socket.on('message', (data) => seen.push(JSON.parse(data).status));
	const [code] = await once(socket, 'close');
	assert.equal(code, 1000);
	assert.deepEqual(seen, ['running', 'succeeded']);
	console.log(`ws: one job ${seen.join(', ')}, closed with ${code}`);
}

async function watchAllWithSocket() {
	const lives = new Lives();
	const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/events?queue=mill`);
	let pongs = 0;
	socket.on('message', (data) => lives.take(JSON.parse(data)));
	socket.on('pong', () => pongs++);
	await once(socket, 'open');
	socket.send('not heard');
	socket.ping('hello');
	for (let i = 0; i < 50; i++)
		await post('/mill/ok');
	await until(() => lives.count() === 150 && pongs === 1, '150 documents');
	socket.close(1000, 'bye');
	const [code] = await once(socket, 'close');
	assert.equal(code, 1000);
	console.log(`ws: ${lives.count()} documents in order, ping answered, ` +
	    `closed with ${code}`);
}

const upstream = createServer((asked, reply) => {
	asked.resume();
	asked.on('end', () => setTimeout(() => reply.end('ok'),
	    asked.url.includes('slow') ? 500 : 0));
}).listen(0, '127.0.0.1');
await once(upstream, 'listening');
writeFileSync('callbackd.conf', `listen = {"127.0.0.1:${port}"}
admin_listen = {"127.0.0.1:${port + 1}"}
store = "memory:"
queue "mill" { path = "/mill/"
  upstream = "http://127.0.0.1:${upstream.address().port}/" }
`);
const child = spawn(daemon, ['-c', 'callbackd.conf'],
    { stdio: ['ignore', 'ignore', 'pipe'] });
let log = '';
child.stderr.on('data', (piece) => (log += piece));
try {
	await until(() => log.includes('event=ready'), 'the daemon');
	await watchJobWithEventSource();
	await watchAllWithEventSource();
	await watchJobWithSocket();
	await watchAllWithSocket();
	child.kill('SIGTERM');
	const [status] = await once(child, 'exit');
	assert.equal(status, 0, log);
} finally {
	child.kill('SIGKILL');
	upstream.close();
	agent.destroy();
}
