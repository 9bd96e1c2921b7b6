// A single-page application's side of gatehouse. Session is what to copy; the page is below it.
'use strict';

// An answer that says no: what the API calls an error.
class Refused extends Error {
  constructor(answer, body) {
    super(Object.values(body.fields || {}).join(' ') || body.error || `Status ${answer.status}`);
    this.status = answer.status;
    this.code = body.code;
  }
}

// Nobody could say yes or no. Whatever was known before still holds: nothing is thrown away.
class Unavailable extends Error {}

// The session is over, for whatever reason: only a password helps.
class SignedOut extends Error {}

class Session {
  // What a refresh may cure. token_missing: a cookie that carries an access token is dropped by the
  // browser when it expires. token_revoked and token_invalid are final.
  static #curable = new Set(['token_expired', 'session_expired', 'token_missing']);
  static #final = new Set(['token_revoked', 'token_invalid']);
  static #tries = 4;

  // For bearer alone, and nowhere but here: any script of this origin can read localStorage.
  #access = null;
  #refresh = null;
  #renewing = null;

  // onWait(seconds) is told when a request waits for an outage to end, and 0 when it is over.
  constructor(base, onWait) {
    this.base = base;
    this.onWait = onWait;
    this.transport = 'cookie';
  }

  async login(email, password, transport) {
    const sent = { email, password, transport };
    const body = await this.#read(await this.#send('POST', '/login', sent, 'include'));
    this.transport = transport;
    this.#keep(body);
    return body.user;
  }

  async register(email, password) {
    await this.#read(await this.#send('POST', '/register', { email, password }, 'omit'));
  }

  // Any route that wants a credential. An access token that has expired is renewed, once, and the
  // request is sent again: it had no effect before.
  async call(method, path, body) {
    const sentAt = Date.now();
    const sentWith = this.#access;
    try {
      return await this.#read(await this.#patiently(method, path, body));
    } catch (error) {
      if (!Session.#curable.has(error.code)) throw this.#unlessOver(error);
    }
    await this.#renew(sentAt, sentWith);
    try {
      return await this.#read(await this.#patiently(method, path, body));
    } catch (error) {
      throw Session.#curable.has(error.code) ? this.#over() : this.#unlessOver(error);
    }
  }

  async logout(everywhere) {
    try {
      await this.call('POST', '/logout', everywhere ? { everywhere } : {});
    } catch (error) {
      if (!(error instanceof SignedOut)) throw error;  // an outage: still signed in
    }
    this.#over();
  }

  // A 401 of another code is about what was sent, such as a wrong oldPassword: the session goes on.
  #unlessOver(error) {
    return Session.#final.has(error.code) ? this.#over() : error;
  }

  #over() {
    this.#access = this.#refresh = null;
    return new SignedOut('Please sign in.');
  }

  #keep(body) {
    if (this.transport !== 'bearer') return;
    this.#access = body.accessToken;
    this.#refresh = body.refreshToken;
  }

  // One refresh, however many requests of this page need it.
  #renew(sentAt, sentWith) {
    if (sentWith !== this.#access) return undefined;  // done since that request was sent
    this.#renewing ??= this.#renewAlone(sentAt).finally(() => { this.#renewing = null; });
    return this.#renewing;
  }

  // One tab at a time, where the browser has locks (over https): those that waited find the work
  // done. Without locks several tabs present the same refresh token at once, which gatehouse allows
  // for refresh.grace, and hands all of them the same successor.
  #renewAlone(sentAt) {
    if (this.transport === 'bearer' || !navigator.locks) return this.#renewNow();
    return navigator.locks.request('gatehouse-refresh', async () => {
      if (Number(localStorage.getItem('gatehouse-renewed')) > sentAt) return;
      await this.#renewNow();
      localStorage.setItem('gatehouse-renewed', String(Date.now()));
    });
  }

  async #renewNow() {
    const sent = this.transport === 'bearer' ? { refreshToken: this.#refresh } : {};
    try {
      this.#keep(await this.#read(await this.#patiently('POST', '/refresh', sent)));
    } catch (error) {
      // 400: there is no refresh token at all.
      throw error.status === 401 || error.status === 400 ? this.#over() : error;
    }
  }

  // Waits for the end of an outage as Retry-After says. What may have had an effect is not repeated:
  // the person is asked. A refresh may be, within the grace, and a logout for ever.
  async #patiently(method, path, body) {
    const repeatable = method === 'GET' || path === '/refresh' || path === '/logout';
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#send(method, path, body);
        this.onWait(0);
        return answer;
      } catch (error) {
        if (!(error instanceof Unavailable) || !repeatable || attempt === Session.#tries) {
          this.onWait(0);
          throw error;
        }
        this.onWait(error.seconds);
        await new Promise((done) => { setTimeout(done, error.seconds * 1000); });
      }
    }
  }

  // 502 and 504 come from the web server when gatehouse itself is gone.
  async #send(method, path, body, credentials) {
    const headers = {};
    if (body) headers['Content-Type'] = 'application/json';
    if (this.#access && path !== '/refresh') headers.Authorization = `Bearer ${this.#access}`;
    let answer;
    try {
      answer = await fetch(this.base + path, {
        method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30000),
        // "include" reaches another origin too. In a bearer session a cookie must not speak for us.
        credentials: credentials ?? (this.transport === 'bearer' ? 'omit' : 'include'),
      });
    } catch {
      answer = { status: 503, headers: new Headers() };
    }
    if (![502, 503, 504].includes(answer.status)) return answer;
    const error = new Unavailable('The service does not answer at the moment. You stay signed in.');
    error.seconds = Math.min(Math.max(Number(answer.headers.get('Retry-After')) || 1, 1), 30);
    throw error;
  }

  async #read(answer) {
    const body = answer.status === 204 ? null : await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer, body);
    return body;
  }
}

// The page ----------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);
const session = new Session(document.documentElement.dataset.auth, (seconds) => {
  $('wait').hidden = seconds === 0;
  if (seconds > 0) $('wait').textContent = `The service does not answer. Trying again in ${seconds} s.`;
});
// Tells the other tabs. They would find out at their next request anyhow.
const tabs = new BroadcastChannel('gatehouse');

function show(signedIn) {
  $('sign-in').hidden = signedIn;
  $('account').hidden = !signedIn;
  document.body.dataset.state = signedIn ? 'in' : 'out';
}

// Names and user agents are what strangers chose: textContent, never innerHTML.
function cell(row, text) {
  row.insertCell().textContent = text;
}

function showSessions({ sessions }) {
  $('sessions').replaceChildren();
  for (const one of sessions) {
    const row = $('sessions').insertRow();
    cell(row, `${one.ip}, ${(one.userAgent || 'unknown').slice(0, 60)}`);
    cell(row, new Date(one.lastActivity).toLocaleString());
    if (one.current) {
      cell(row, 'this one');
    } else {
      const button = document.createElement('button');
      button.className = 'quiet';
      button.textContent = 'End';
      button.onclick = () => attempt(async () => {
        await session.call('DELETE', `/sessions/${one.id}`);
        await load();
      });
      row.insertCell().append(button);
    }
  }
}

async function load() {
  const [user, list] = await Promise.all([
    session.call('GET', '/profile'), session.call('GET', '/sessions')]);
  $('who').textContent = user.displayName || user.username || user.email;
  $('since').textContent = new Date(user.lastLoginAt).toLocaleString();
  $('profile').displayName.value = user.displayName || '';
  showSessions(list);
  show(true);
}

// Everything that is done goes through here, so that each failure is shown in one place.
async function attempt(work) {
  $('trouble').textContent = '';
  $('again').hidden = true;
  try {
    await work();
  } catch (error) {
    if (error instanceof SignedOut) {
      show(false);
    } else {
      $('trouble').textContent = error.message;
      $('again').hidden = !(error instanceof Unavailable);
    }
  }
}

async function signOut(everywhere) {
  await session.logout(everywhere);
  show(false);
  if (session.transport === 'cookie') tabs.postMessage('changed');
}

$('sign-in').onsubmit = (event) => {
  event.preventDefault();
  const { email, password, transport } = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    if (event.submitter?.value === 'register') await session.register(email, password);
    await session.login(email, password, transport);
    event.target.password.value = '';
    await load();
    if (transport === 'cookie') tabs.postMessage('changed');
  });
};
$('profile').onsubmit = (event) => {
  event.preventDefault();
  const displayName = event.target.displayName.value || null;
  attempt(async () => {
    await session.call('PATCH', '/profile', { displayName });
    await load();
  });
};
$('reload').onclick = $('again').onclick = () => attempt(load);
$('sign-out').onclick = () => attempt(() => signOut(false));
$('sign-out-everywhere').onclick = () => attempt(() => signOut(true));
tabs.onmessage = () => {
  if (session.transport === 'cookie') attempt(load);
};

// A cookie may have kept the session over a reload; nobody here can see it, so the server is asked.
attempt(load);
