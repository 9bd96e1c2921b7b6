// The peer in Node: Fastify, ioredis with pipelines, fast-jwt with its cache of verified tokens, in as
// many processes as there are cores.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import bcrypt from 'bcrypt';
import Fastify from 'fastify';
import { createSigner, createVerifier } from 'fast-jwt';
import Redis from 'ioredis';
import mysql from 'mysql2/promise';

const [, , port, processes, redisSocket, keyFile, mariadbSocket, database] = process.argv;
const key = readFileSync(keyFile);
const FIELDS = ['user_id', 'username', 'email', 'name', 'roles', 'expires'];
const COLUMNS = 'id, email, username, display_name, password_hash, email_verified, created_at, ' +
  'last_login_at';

function serve() {
  const redis = new Redis({ path: redisSocket, enableAutoPipelining: false });
  const pool = mariadbSocket
    ? mysql.createPool({ socketPath: mariadbSocket, user: 'root', database, connectionLimit: 8 })
    : null;
  const verifyToken = createVerifier({ key, algorithms: ['HS256'], cache: 2048 });
  const sign = createSigner({ key, algorithm: 'HS256', expiresIn: '15m' });
  const app = Fastify({ logger: false });

  async function session(request, reply) {
    let claims;
    try {
      claims = verifyToken((request.headers.authorization ?? '').slice(7));
    } catch {
      return reply.code(401).send();
    }
    const [[failed, record], [, revoked]] = await redis.pipeline()
      .hmget(`bench:session:${claims.sid}`, ...FIELDS)
      .exists(`bench:blacklist:${claims.jti}`)
      .exec();
    if (failed || revoked || record.includes(null) || Number(record[5]) <= Date.now() / 1000)
      return reply.code(401).send();
    request.who = record;
    request.sid = claims.sid;
  }

  async function user(column, value) {
    const [rows] = await pool.execute(`SELECT ${COLUMNS} FROM users WHERE ${column} = ?`, [value]);
    return rows[0];
  }

  const shown = (row) => ({
    id: String(row.id), email: row.email, username: row.username, displayName: row.display_name,
    emailVerified: Boolean(row.email_verified), createdAt: row.created_at,
    lastLoginAt: row.last_login_at,
  });

  // The same hash under the name that this library knows.
  const hashOf = (row) => row.password_hash.toString().replace(/^\$2y\$/, '$2b$$');

  app.addHook('onSend', async (request, reply) => {
    reply.header('Cache-Control', 'no-store').header('X-Content-Type-Options', 'nosniff')
      .header('X-Request-Id', request.headers['x-request-id'] ?? '-');
  });

  app.get('/verify', { preHandler: session }, async (request, reply) => {
    const [id, username, email, name, roles] = request.who;
    return reply.code(204).headers({
      'Remote-User': username, 'Remote-User-Id': id, 'Remote-Email': email, 'Remote-Name': name,
      'Remote-Groups': roles, 'Remote-Session': request.sid,
    }).send();
  });

  app.get('/profile', { preHandler: session }, async (request) =>
    shown(await user('id', request.who[0])));

  app.post('/login', async (request, reply) => {
    const { username, password } = request.body;
    const row = await user('username_canonical', username);
    if (!row || !(await bcrypt.compare(password, hashOf(row))))
      return reply.code(401).send();
    const sid = randomBytes(32).toString('hex');
    await redis.pipeline()
      .hset(`bench:login:${sid}`, { user_id: row.id, email: row.email })
      .expire(`bench:login:${sid}`, 86400)
      .exec();
    await pool.execute('UPDATE users SET last_login_at = UTC_TIMESTAMP(3) WHERE id = ?', [row.id]);
    const jti = randomBytes(16).toString('hex');
    return { accessToken: sign({ sub: String(row.id), sid, jti, email: row.email }),
             user: shown(row) };
  });

  app.listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 });
}

// Each process accepts by itself: handing connections round costs the first one more than serving.
cluster.schedulingPolicy = cluster.SCHED_NONE;
if (cluster.isPrimary)
  for (let i = 0; i < Number(processes); i++) cluster.fork();
else
  serve();
