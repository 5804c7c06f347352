// watch_browser.mjs - contrib/watch.html, and EventSource, in a real Chromium.
//
//   node watch_browser.mjs DAEMON NGINX PICTURES
//
// Run by watch_browser, in a folder of its own. An upstream that answers when it
// is told to, the daemon, nginx with contrib/nginx.conf in front of it, and
// chromedriver with a headless browser. What happens next happens only when the
// page has shown what was before; the daemon is killed and stopped meanwhile, and
// each state must be shown once, in order. Screenshots go to PICTURES unless it
// is empty.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';

const [daemon, nginx, pictures] = process.argv.slice(2);
const contrib = new URL('../../contrib/', import.meta.url);
const LATER = { 'Job-Delay': '1h' };
const KEY = 'a-key-for-the-page';

async function freePort() {
	const socket = createSocket().listen(0, '127.0.0.1');
	await once(socket, 'listening');
	const { port } = socket.address();
	socket.close();
	await once(socket, 'close');
	return port;
}

async function until(what, condition) {
	const deadline = Date.now() + 30000;
	let last;
	for (;;) {
		last = await condition();
		if (last === true)
			return;
		assert(Date.now() < deadline,
		    `waited in vain for ${what}: ${JSON.stringify(last)}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

// ---- the upstream: /gate/NAME answers when open(NAME) was called ----

const held = new Map();
const upstream = createServer((asked, reply) => {
	asked.resume();
	if (asked.url.startsWith('/gate/'))
		held.set(asked.url.slice(6), reply);
	else if (asked.url === '/fail')
		reply.writeHead(422).end('no');
	else
		reply.end('ok');
}).listen(0, '127.0.0.1');
await once(upstream, 'listening');

async function open(name) {
	await until(`a run of ${name}`, () => held.has(name));
	held.get(name).end('through');
	held.delete(name);
}

// ---- programs ----

const children = new Set();

// Starts one; it is there when it has said `ready`.
async function start(program, args, ready) {
	const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
	child.said = '';
	for (const from of [child.stdout, child.stderr])
		from.on('data', (piece) => (child.said += piece));
	child.ended = once(child, 'exit');
	children.add(child);
	child.ended.then(() => children.delete(child));
	await until(`${program}: ${child.said}`, () => ready.test(child.said) ||
	    (child.exitCode !== null && assert.fail(child.said)));
	return child;
}

const [inside, outside, tls] = [await freePort(), await freePort(),
	await freePort()];
const base = `http://127.0.0.1:${outside}`;
let gateway, proxy;

async function startDaemon(more = '') {
	writeFileSync('callbackd.conf', `listen = {"127.0.0.1:${inside}"}
admin_listen = {"127.0.0.1:0"}
drain_timeout = "5s"
queue "reports" { path = "/reports/"
  upstream = "http://127.0.0.1:${upstream.address().port}/"
  backoff { initial = "300ms" max = "300ms" } }
queue "prints" { path = "/prints/" executor = "pull" }
${more}`);
	gateway = await start(daemon, ['-c', 'callbackd.conf'], /event=ready/);
}

async function endDaemon(signal) {
	gateway.kill(signal);
	await gateway.ended;
}

function replaceOnce(text, from, to) {
	assert.equal(text.split(from).length, 2, `contrib/nginx.conf: ${from}`);
	return text.replace(from, () => to);
}

async function startNginx() {
	let site = readFileSync(new URL('nginx.conf', contrib), 'utf8');
	const page = new URL('watch.html', contrib).pathname;
	for (const [from, to] of [
		['server 127.0.0.1:8080;', `server 127.0.0.1:${inside};`],
		['listen 443 ssl http2;', `listen 127.0.0.1:${outside};`],
		['listen [::]:443 ssl http2;', ''],
		['ssl_certificate ', '#ssl_certificate '],
		['ssl_certificate_key ', '#ssl_certificate_key '],
		['#location = /watch {', 'location = /watch {'],
		['#\talias /usr/local/share/doc/callbackd/watch.html;',
			`alias ${page};`],
		['#\tdefault_type text/html;', 'default_type text/html;'],
		['#}', '}'],
	])
		site = replaceOnce(site, from, to);
	writeFileSync('site.conf', site);
	writeFileSync('nginx.conf', `daemon off; master_process off; pid nginx.pid;
events { worker_connections 512; }
http { access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include site.conf; }
`);
	proxy = await start(nginx, ['-e', 'stderr', '-p', process.cwd(),
		'-c', 'nginx.conf'], /^/);
	await until('nginx', () => fetch(`${base}/watch`).then((reply) => reply.ok,
	    () => proxy.said));
}

// ---- jobs ----

async function submit(path, headers = {}) {
	const reply = await fetch(`${base}${path}`,
	    { method: 'POST', body: 'x', headers });
	assert.equal(reply.status, 202, await reply.clone().text());
	return (await reply.json()).id;
}

async function cancel(id, headers = {}, where = base) {
	const reply = await fetch(`${where}/v1/jobs/${id}`,
	    { method: 'DELETE', headers });
	assert.equal(reply.status, 200);
}

// ---- the browser, by the WebDriver protocol ----

let session;

async function drive(method, path, body) {
	const reply = await fetch(`${session}${path}`,
	    { method, body: body && JSON.stringify(body) });
	const { value } = await reply.json();
	assert(reply.ok, JSON.stringify(value));
	return value;
}

async function startBrowser() {
	const driver = await start('chromedriver', ['--port=0'],
	    /started successfully on port \d+/);
	const port = /successfully on port (\d+)/.exec(driver.said)[1];
	mkdirSync('profile');
	session = `http://127.0.0.1:${port}`;
	const { sessionId } = await drive('POST', '/session', { capabilities: {
		alwaysMatch: { 'goog:chromeOptions': { args: ['--headless=new',
			'--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
			`--user-data-dir=${process.cwd()}/profile`,
			'--window-size=1000,760'] },
		'goog:loggingPrefs': { browser: 'ALL' } },
	} });
	session += `/session/${sessionId}`;
}

const run = (script, ...args) => drive('POST', '/execute/sync',
    { script, args });

async function go(hash) {
	await drive('POST', '/url', { url: 'about:blank' });
	await drive('POST', '/url', { url: `${base}/watch${hash}` });
}

async function picture(name) {
	if (!pictures)
		return;
	const png = await drive('GET', '/screenshot');
	writeFileSync(`${pictures}/${name}.png`, Buffer.from(png, 'base64'));
}

const line = () => run('return document.getElementById("line").textContent');
const isLive = async () => {
	const text = await line();
	return text.startsWith('Live') || text;
};

// The states that the page shows of a job, "queued running".
const trail = (id) => run(`return [...document.querySelectorAll(
	'[data-job="' + arguments[0] + '"] .trail b')]
	.map((state) => state.textContent).join(' ')`, id);

async function shows(id, states) {
	await until(`${id} as ${states}`, async () => {
		const shown = await trail(id);
		return shown === states || shown;
	});
}

// ---- what is shown ----

async function eachStateOnceInOrder() {
	await go('');
	await until('the stream', isLive);
	const slow = await submit('/reports/gate/slow');
	await shows(slow, 'queued running');
	const failed = await submit('/reports/fail');
	await shows(failed, 'queued running failed');
	const quick = [];
	for (let i = 0; i < 20; i++)
		quick.push(await submit('/reports/ok'));
	for (const id of quick)
		await shows(id, 'queued running succeeded');
	await shows(slow, 'queued running');
	await open('slow');
	await shows(slow, 'queued running succeeded');
	console.log('all jobs: 22 shown as they happened, each state once');
}

async function progressIsShown() {
	const id = await submit('/prints/poster?size=a1');
	await shows(id, 'queued');
	const leased = await fetch(`${base}/v1/queues/prints/lease`, {
		method: 'POST', body: '{"max":1,"lease":60}',
		headers: { 'Content-Type': 'application/json' } });
	const [{ lease_token }] = (await leased.json()).jobs;
	const tell = (route, body) => fetch(`${base}/v1/jobs/${id}/${route}`, {
		method: 'POST', body: JSON.stringify({ lease_token, ...body }),
		headers: { 'Content-Type': 'application/json' } });
	await tell('progress', { progress: 0.4, message: '<b>sheet 2 of 5' });
	await until('progress', () => run(`return document.querySelector(
		'[data-job="' + arguments[0] + '"] progress').value === 0.4`, id));
	await shows(id, 'queued running');
	await submit('/reports/later', LATER);
	await picture('all');
	await tell('complete', { status: 200, body: 'done' });
	await shows(id, 'queued running succeeded');
	console.log('progress: shown in the running state');
}

async function oneJobIsWatchedToItsEnd() {
	const id = await submit('/reports/gate/one');
	await go(`#job=${id}`);
	await shows(id, 'running');
	await open('one');
	await shows(id, 'running succeeded');
	await until('the end', async () => (await line()) === 'The job has ended');
	await picture('one');
	await go('#job=0198c5a0-0000-7000-8000-000000000000');
	await until('a refusal', async () => /^404/.test(await line()));
	console.log('one job: from its present state to its end');
}

async function aKillLosesNothing() {
	const id = await submit('/reports/later', LATER);
	await go(`#job=${id}`);
	await shows(id, 'queued');
	await endDaemon('SIGKILL');
	await until('the loss', async () => /broken/.test(await line()));
	await picture('broken');
	await startDaemon();
	await until('the stream', isLive);
	await cancel(id);
	await shows(id, 'queued cancelled');
	console.log('one job: over a kill, nothing lost and nothing twice');
}

async function aRestartLosesNothing() {
	await go('');
	await until('the stream', isLive);
	const waits = await submit('/reports/later', LATER);
	const during = await submit('/reports/gate/during');
	const again = await submit('/reports/gate/again');
	await shows(waits, 'queued');
	await shows(during, 'queued running');
	await shows(again, 'queued running');
	gateway.kill('SIGTERM'); // streams end, runs may go on for 5 s
	await until('the loss', async () => /broken/.test(await line()));
	await open('during');
	await gateway.ended;
	await startDaemon();
	await until('the stream', isLive);
	await shows(during, 'queued running succeeded');
	await open('again');
	await until('the second run', async () =>
	    /^queued running( queued)? running succeeded$/.test(await trail(again)) ||
	    trail(again));
	await cancel(waits);
	await shows(waits, 'queued cancelled');
	await shows(during, 'queued running succeeded');
	console.log('all jobs: over a restart, what ended meanwhile included');
}

// By itself, with Last-Event-ID, when a line breaks; a 502 would end it for good.
async function eventSourceComesBack() {
	const id = await submit('/reports/later', LATER);
	await run(`window.seen = [];
	window.source = new EventSource('v1/jobs/' + arguments[0] + '/events');
	for (const name of ['queued', 'running', 'cancelled'])
		source.addEventListener('job.' + name, (event) => {
			seen.push(JSON.parse(event.data).status);
			if (name === 'cancelled')
				source.close();
		});`, id);
	const sees = (states) => until(states, async () => {
		const seen = (await run('return seen')).join(' ');
		return seen === states || seen;
	});
	await sees('queued');
	proxy.kill('SIGKILL');
	await proxy.ended;
	await cancel(id, {}, `http://127.0.0.1:${inside}`);
	await startNginx();
	await sees('queued cancelled');
	console.log('EventSource: what was missed comes, and comes once');
}

async function aKeyIsAskedFor() {
	const hash = createHash('sha256').update(KEY).digest('hex');
	await endDaemon('SIGTERM');
	await startDaemon(`client "page" { key_sha256 = "${hash}" }`);
	await go('');
	await until('a refusal', async () => /^401/.test(await line()));
	const field = await drive('POST', '/element',
	    { using: 'css selector', value: 'input[name=key]' });
	await drive('POST', `/element/${Object.values(field)[0]}/value`,
	    { text: `${KEY}\uE007` });
	await until('the stream', isLive);
	const headers = { Authorization: `Bearer ${KEY}` };
	const id = await submit('/reports/later', { ...LATER, ...headers });
	await shows(id, 'queued');
	await cancel(id, headers);
	await shows(id, 'queued cancelled');
	const address = await run('return location.href');
	assert(!address.includes(KEY));
	console.log('a key: asked for, and sent');
}

// Nothing but refusals that were asked for, and lines that broke.
async function nothingWentWrong() {
	const log = await drive('POST', '/se/log', { type: 'browser' });
	const wrong = log.filter((entry) => entry.source !== 'network');
	assert.deepEqual(wrong, []);
}

try {
	await startDaemon();
	await startNginx();
	await startBrowser();
	await eachStateOnceInOrder();
	await progressIsShown();
	await oneJobIsWatchedToItsEnd();
	await aKillLosesNothing();
	await aRestartLosesNothing();
	await eventSourceComesBack();
	await aKeyIsAskedFor();
	await nothingWentWrong();
	await endDaemon('SIGTERM');
	assert.equal(gateway.exitCode, 0, gateway.said);
} finally {
	if (session)
		await drive('DELETE', '').catch(() => {});
	for (const child of children)
		child.kill('SIGKILL');
	upstream.closeAllConnections();
	upstream.close();
}
