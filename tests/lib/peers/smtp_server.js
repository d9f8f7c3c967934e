// smtp_server.js PORT DIR PIPELINING PKI - npm's smtp-server; each message becomes a file of DIR, its recipients on the first line
const fs = require('fs');
const path = require('path');
const { SMTPServer } = require('smtp-server');

const [port, dir, pipelining, pki] = process.argv.slice(2);
let count = 0;

const server = new SMTPServer({
	name: 'smtp-server.test',
	authOptional: true,
	disabledCommands: ['AUTH'],
	cert: fs.readFileSync(path.join(pki, 'server.pem')),
	key: fs.readFileSync(path.join(pki, 'server.key')),
	disableReverseLookup: true,
	hidePIPELINING: pipelining === 'no',
	size: 64 * 1024 * 1024,
	onData(stream, session, done) {
		const name = path.join(dir, `done.${++count}`);
		const file = fs.createWriteStream(name + '.tmp');

		file.write(session.envelope.rcptTo.map((one) => one.address).join(' ') + '\n');
		stream.pipe(file, { end: false });
		stream.on('end', () => file.end(() => {
			fs.renameSync(name + '.tmp', name);
			done();
		}));
	},
});

server.on('error', () => {});	// a client that goes away is no reason to end
server.listen(Number(port), '127.0.0.1');
