// What login.html and register.html do, and the sign-out button of any page:
//
//     <script src="/gatehouse.js" defer></script>
//     <form data-gatehouse-logout data-base="/auth"><button>Sign out</button></form>
//
// Tokens never come near this script: with transport "cookie" the browser keeps them in cookies
// that no script can read (HttpOnly).
'use strict';

// Where to go after signing in. The web server puts the way back last, and unencoded:
// /login.html?next=/members/?page=2. Anybody can make such a link, so only an address of this very
// site is followed. The browser itself resolves it, as it will when it goes there: a list of bad
// beginnings ("//", "/\", "/<tab>/", "javascript:") would always lack one.
function wayBack() {
  const next = /[?&]next=(.*)$/.exec(location.search);
  if (!next) return '/';
  let path = next[1];
  try {
    if (!path.startsWith('/')) path = decodeURIComponent(path);
    const target = new URL(path, location.origin);
    const here = target.origin === location.origin && path.startsWith('/');
    // The whole address, not its path alone: that of "/.//host/" is "//host/".
    return here && target.pathname !== location.pathname ? target.href : '/';
  } catch {
    return '/';
  }
}

// Sends JSON; { ok, status, body }. Never throws: an answer that is not ours counts as an outage.
async function call(form, path, body) {
  try {
    const answer = await fetch(form.dataset.base + path, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    return { ok: answer.ok, status: answer.status, body: await answer.json() };
  } catch {
    return { ok: false, status: 503, body: {} };
  }
}

function explain(form, { status, body }) {
  const fields = Object.values(body.fields || {});
  form.querySelector('.trouble').textContent =
    status === 401 ? 'The name or the password is not right.'
      : status === 429 ? 'Too many attempts. Please wait a little and try again.'
        : status >= 500 ? 'Signing in does not work at the moment. Please try again in a minute.'
          : fields.length ? fields.join(' ') : body.error || 'That did not work.';
}

// A username has no @, so one field does for both.
const named = (who) => (who.includes('@') ? { email: who } : { username: who });

async function signIn(form, who, password) {
  const answer = await call(form, '/login', { ...who, password, transport: 'cookie' });
  if (answer.ok) location.replace(wayBack());
  else explain(form, answer);
}

async function submitLogin(form, fields) {
  await signIn(form, named(fields.who.trim()), fields.password);
}

async function submitRegister(form, fields) {
  const { email, username, password } = fields;
  const answer = await call(form, '/register', { email, password, ...(username && { username }) });
  if (answer.ok) await signIn(form, { email }, password);
  else explain(form, answer);
}

// One submit at a time, and no page load: a form that the browser sent by itself would put the
// password into a request that nobody expects.
function onSubmit(form, work) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    const trouble = form.querySelector('.trouble');
    if (trouble) trouble.textContent = '';
    button.disabled = true;
    try {
      await work(form, Object.fromEntries(new FormData(form)));
    } finally {
      button.disabled = false;
    }
  });
}

// Without this script the form would not work, so it is hidden until now.
function show(form, work) {
  onSubmit(form, work);
  form.hidden = false;
  form.querySelector('input').focus();
}

// A session that idled out, and a cookie.carries=jwt that expired, can be brought back without the
// password while the refresh cookie lives. Tried once for each way back, or a page that is refused
// all the same would send the browser round in circles.
async function tryRefresh(form) {
  const way = wayBack();
  const key = 'gatehouse-way-back';
  if (!location.search.includes('next=') || sessionStorage.getItem(key) === way) {
    sessionStorage.removeItem(key);
    return;
  }
  if ((await call(form, '/refresh', {})).ok) {
    sessionStorage.setItem(key, way);
    location.replace(way);
  }
}

async function signOut(form) {
  const answer = await call(form, '/logout', {});
  // 401: the session had ended already.
  if (answer.ok || answer.status === 401) location.assign(form.dataset.then || '/');
  else alert('Signing out did not work. Please try again.');
}

for (const link of document.querySelectorAll('[data-keeps-next]')) link.search = location.search;
for (const form of document.forms) {
  if (form.id === 'login') {
    show(form, submitLogin);
    tryRefresh(form);
  } else if (form.id === 'register') {
    show(form, submitRegister);
  } else if ('gatehouseLogout' in form.dataset) {
    onSubmit(form, signOut);
  }
}
