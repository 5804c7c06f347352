// gateway.js - what all peers do the same way: accept a job over HTTP, carry it
// out, sign and post its result. Meant to be as fast as Node.js lets it: bodies
// stay strings, nothing is parsed or logged, connections are pooled.
//
// Standard Webhooks 1.0 headers, the upstream's body as it came (callbackd sends
// a JSON envelope around it, which costs more).
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const fastify = require('fastify');
const undici = require('undici');

const concurrency = 64;

// Everything a peer must know comes from ../run in the environment.
const { UPSTREAM_URL, SECRET_FILE } = process.env;

// front(accept): a server that answers 202 once accept(id, job) has resolved.
async function front(accept) {
	const server = fastify({ bodyLimit: 16 * 1024 * 1024 });
	server.addContentTypeParser('text/plain', { parseAs: 'string' },
		(request, body, done) => done(null, body));
	server.post('/bench/', async (request, reply) => {
		const id = crypto.randomUUID();
		await accept(id, {
			callback: request.headers['callback-url'],
			body: request.body,
		});
		reply.code(202).header('Location', `/v1/jobs/${id}`);
		return { id, status: 'queued' };
	});
	await server.listen({ host: '127.0.0.1', port: 0 });
	console.log(`listening ${server.server.address().port}`);
}

const agent = () => new undici.Agent({ connections: concurrency });
let upstreams, receivers, key;

async function post(dispatcher, url, headers, body) {
	const answer = await undici.request(url,
		{ method: 'POST', dispatcher, headers, body });
	const text = await answer.body.text();
	if (answer.statusCode < 200 || answer.statusCode > 299)
		throw new Error(`${url}: ${answer.statusCode}`);
	return text;
}

function sign(id, body) {
	const timestamp = String(Math.floor(Date.now() / 1000));
	const mac = crypto.createHmac('sha256', key)
		.update(`${id}.${timestamp}.`).update(body).digest('base64');
	return {
		'content-type': 'text/plain',
		'webhook-id': id,
		'webhook-timestamp': timestamp,
		'webhook-signature': `v1,${mac}`,
	};
}

// carryOut(id, job): the upstream's answer, posted to the job's callback.
async function carryOut(id, job) {
	if (key === undefined) {
		const line = fs.readFileSync(SECRET_FILE, 'utf8').trim();
		key = Buffer.from(line.slice('whsec_'.length), 'base64');
		upstreams = agent();
		receivers = agent();
	}
	const result = await post(upstreams, UPSTREAM_URL,
		{ 'content-type': 'text/plain' }, job.body);
	await post(receivers, job.callback, sign(id, result), result);
}

// role({ server, worker }): starts what the command line names.
function role(roles) {
	roles[process.argv[2]]().catch((error) => {
		console.error(error);
		process.exit(70);
	});
}

module.exports = { concurrency, front, carryOut, role };
