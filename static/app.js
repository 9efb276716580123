// What pages gain where scripts run; without this file everything works by links, forms and reload.
//   time[data-relative|data-exact|data-elapsed]   kept true, in the reader's zone (html[data-zone], else the browser's)
//   a[data-dialog]                                opens the question (form[data-confirm]) of the page it leads to as a dialog
//   [data-copy="text"]                            copies;   select[data-theme-preview]   shows a scheme before it is saved
//   form                                          is sent once; data-stay: the page remains (a download)
//   form[data-upload]                             see "Uploads";   [data-log]   see "Logs";   [data-live]   see "Streams"
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, className = '', text = '') => Object.assign(document.createElement(tag), { className, textContent: text });
  const say = (text) => { const box = $('#announce'); if (box) box.textContent = text; };
  const root = document.documentElement;

  function notice(text) {
    const box = $('#notices');
    if (!box) return;
    const note = make('div', 'notice notice-bad');
    note.append(make('div', '', text));
    box.replaceChildren(note);
  }

  // ---- Times
  const zone = root.dataset.zone || undefined;
  const clock = (() => {
    const options = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'short' };
    try { return new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone }); } catch { return new Intl.DateTimeFormat('en-GB', options); }
  })();
  function exact(date) {
    const part = Object.fromEntries(clock.formatToParts(date).map((p) => [p.type, p.value]));
    return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
  }
  function relative(date) {
    const seconds = Math.round((Date.now() - date) / 1000), size = Math.abs(seconds);
    if (size < 45) return 'just now';
    if (size >= 30 * 86400) return exact(date).slice(0, 10);
    const [n, unit] = size < 3570 ? [size / 60, 'min'] : size < 84600 ? [size / 3600, 'h'] : [size / 86400, 'day'];
    const words = `${Math.max(1, Math.round(n))} ${unit}${unit === 'day' && Math.round(n) > 1 ? 's' : ''}`;
    return seconds < 0 ? `in ${words}` : `${words} ago`;
  }
  function elapsed(date) {
    const s = Math.max(0, Math.floor((Date.now() - date) / 1000));
    if (s < 60) return `${s} s`;
    return s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  }
  function tell(selector, words) {
    for (const time of $$(selector)) {
      const date = new Date(time.dateTime);
      if (Number.isNaN(+date)) continue;
      const text = words(date);
      if (time.textContent !== text) time.textContent = text;
      if (words !== exact) time.title = exact(date);
    }
  }
  const tellTimes = () => { tell('time[data-relative]', relative); tell('time[data-exact]', exact); tell('time[data-elapsed]', elapsed); };
  setInterval(() => { if (!document.hidden) tell('time[data-elapsed]', elapsed); }, 1000);
  setInterval(() => { if (!document.hidden) tellTimes(); }, 20_000);

  // ---- Keys, menus, copying
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const search = $('#search');
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === 'Escape') {
      for (const menu of $$('details.menu[open]')) { menu.open = false; if (menu.contains(document.activeElement)) $('summary', menu).focus(); }
      if (event.target.id === 'search') event.target.blur();
    }
  });
  async function copy(button) {
    const text = button.dataset.copy;
    try { await navigator.clipboard.writeText(text); } catch {
      // Plain http has no clipboard API.
      const area = Object.assign(make('textarea', 'visually-hidden'), { value: text });
      button.after(area); area.select(); document.execCommand('copy'); area.remove(); button.focus();
    }
    const words = $('[data-copy-words]', button) ?? button;
    button.dataset.words ??= words.textContent;
    words.textContent = 'Copied'; say('Copied');
    setTimeout(() => { words.textContent = button.dataset.words; }, 1500);
  }
  document.addEventListener('click', (event) => {
    for (const menu of $$('details.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
    const copies = event.target.closest('[data-copy]');
    if (copies) return void copy(copies);
    // To the field itself: an id such as "/executor/memory" is a target, but not focused by the browser.
    const field = event.target.closest('a[href^="#/"]');
    if (field) { const input = document.getElementById(decodeURIComponent(field.hash.slice(1))); if (input) { event.preventDefault(); input.focus(); } return; }
    const asks = event.target.closest('a[data-dialog]');
    if (asks && !event.ctrlKey && !event.metaKey && !event.shiftKey) return void ask(event, asks);
    const dialog = event.target.closest('dialog');
    if (dialog && (event.target === dialog || event.target.closest('[data-close]'))) { event.preventDefault(); dialog.close(); }
  });
  document.addEventListener('change', (event) => {
    if (!event.target.matches('select[data-theme-preview]')) return;
    const chosen = event.target.value;
    if (chosen === 'light' || chosen === 'dark') root.dataset.bsTheme = chosen; else delete root.dataset.bsTheme;
  });

  // ---- Dialogs: the link's own page stands behind each
  async function ask(event, link) {
    event.preventDefault();
    try {
      const answer = await fetch(link.href, { headers: { Accept: 'text/html' } });
      const form = answer.ok && $('form[data-confirm]', new DOMParser().parseFromString(await answer.text(), 'text/html'));
      if (!form) throw new Error('no question there');
      const dialog = make('dialog'), title = $('h1', form);
      if (title) { const smaller = make('h2', '', title.textContent); smaller.id = 'question'; title.replaceWith(smaller); dialog.setAttribute('aria-labelledby', 'question'); }
      dialog.append(form); document.body.append(dialog);
      dialog.addEventListener('close', () => { dialog.remove(); link.focus(); });
      window.htmx?.process(dialog); tellTimes(); dialog.showModal();
    } catch { location.href = link.href; }
  }

  // ---- Forms: twice is once
  const release = (form) => {
    delete form.dataset.sent;
    for (const button of $$('[aria-busy]', form)) { button.disabled = false; button.removeAttribute('aria-busy'); }
  };
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.method !== 'post' || form.matches('[data-upload]')) return;
    if (form.dataset.sent) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    form.dataset.sent = 'yes';
    // Later, or the button's own name would be missing in what is sent.
    setTimeout(() => {
      const button = event.submitter ?? $('[type="submit"]', form);
      if (button) { button.setAttribute('aria-busy', 'true'); button.disabled = true; }
      if (form.matches('[data-stay]')) setTimeout(release, 3000, form);
    });
  }, true);
  document.addEventListener('htmx:finally:request', (event) => { const form = event.target.closest?.('form[data-sent]'); if (form) release(form); });
  window.addEventListener('pageshow', (event) => { if (event.persisted) $$('form[data-sent]').forEach(release); });

  // ---- Uploads: form[data-upload data-upload-url="/…/files/folder/" data-method data-max-bytes] with a file input, .drop-area
  // and ul.uploads. One request for each file, its raw bytes to the URL + encoded name; afterwards `uploaded` on body.
  function uploads(form) {
    const list = $('.uploads', form), input = $('input[type="file"]', form), waiting = [];
    let running = 0, done = 0;
    function size(n) {
      let unit = 0;
      for (; n >= 1024 && unit < 4; unit += 1) n /= 1024;
      return `${unit && n < 10 ? n.toFixed(1) : Math.round(n)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
    }
    const reason = (xhr) => {
      if (!xhr.status) return 'the connection broke';
      const type = xhr.getResponseHeader('Content-Type') ?? '';
      try { if (type.includes('json')) { const problem = JSON.parse(xhr.responseText); return problem.violations?.[0]?.message ?? problem.detail ?? problem.title; } } catch { /* the status below says it */ }
      if (type.includes('html')) return $('[data-problem]', new DOMParser().parseFromString(xhr.responseText, 'text/html'))?.textContent ?? `answer ${xhr.status}`;
      return xhr.responseText.slice(0, 300) || `answer ${xhr.status}`;
    };
    function finish(row, text, retry) {
      running -= 1;
      row.words.textContent = text;
      row.words.classList.toggle('bad', !!retry);
      row.stop.remove();
      if (retry) { const again = make('button', 'btn btn-sm btn-outline-secondary', 'Try again'); again.type = 'button'; again.onclick = () => { row.item.remove(); add([row.file]); }; row.item.append(again); } else done += 1;
      next();
      if (running || waiting.length) return;
      say(`${done} uploaded`);
      if ($('[hx-trigger*="uploaded"]')) document.body.dispatchEvent(new CustomEvent('uploaded'));
      else if (!$('.bad', list)) location.reload();
    }
    function send(row) {
      const xhr = new XMLHttpRequest();
      running += 1;
      xhr.open(form.dataset.method ?? 'PUT', form.dataset.uploadUrl + encodeURIComponent(row.file.name));
      xhr.setRequestHeader('Content-Type', row.file.type || 'application/octet-stream');
      xhr.upload.onprogress = (event) => { row.bar.value = event.loaded / (event.total || 1); row.words.textContent = `${size(event.loaded)} of ${size(row.file.size)}`; };
      xhr.onload = () => { if (xhr.status < 300) { row.bar.value = 1; finish(row, `${size(row.file.size)}, uploaded`); } else finish(row, reason(xhr), true); };
      xhr.onerror = () => finish(row, reason(xhr), true);
      xhr.onabort = () => finish(row, 'stopped', true);
      row.stop.onclick = () => xhr.abort();
      xhr.send(row.file);
    }
    const next = () => { while (running < 2 && waiting.length) send(waiting.shift()); };
    function add(files) {
      const most = Number(form.dataset.maxBytes) || Infinity;
      for (const file of files) {
        const row = { file, item: make('li'), bar: make('progress'), words: make('span', 'num', 'waiting'), stop: make('button', 'btn btn-sm btn-link', 'Stop') };
        row.bar.value = 0; row.bar.setAttribute('aria-label', `Upload of ${file.name}`); row.stop.type = 'button';
        row.item.append(make('span', 'mono name', file.name), row.bar, row.words, row.stop);
        list.append(row.item);
        if (file.size > most) { running += 1; finish(row, `${size(file.size)} is more than the ${size(most)} that a file may have`, true); continue; }
        row.stop.onclick = () => { waiting.splice(waiting.indexOf(row), 1); row.item.remove(); };
        waiting.push(row);
      }
      next();
    }
    input.addEventListener('change', () => { add([...input.files]); input.value = ''; });
    form.addEventListener('submit', (event) => { event.preventDefault(); if (input.files.length) { add([...input.files]); input.value = ''; } else input.click(); });
    for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) form.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      form.classList.toggle('over', over);
      if (name === 'drop') add([...event.dataTransfer.files]);
    });
    window.addEventListener('beforeunload', (event) => { if (running || waiting.length) event.preventDefault(); });
  }

  // ---- Fields that are used only with some values of others: [data-only-if='{"/type":["java"]}']; the rest is not sent
  function only(form) {
    const value = (name) => {
      const field = form.elements.namedItem(name);
      return field?.type === 'checkbox' ? (field.checked ? field.value : '') : field?.value;
    };
    for (const part of $$('[data-only-if]', form)) {
      const used = Object.entries(JSON.parse(part.dataset.onlyIf)).every(([name, values]) => value(name) === undefined || values.includes(value(name)));
      part.hidden = !used;
      for (const field of $$('input, select, textarea', part)) field.disabled = !used;
    }
  }
  document.addEventListener('input', (event) => { if (event.target.form) only(event.target.form); }, true);

  // ---- Streams (hx-sse): what the extension leaves open
  const isStream = (element) => element?.hasAttribute?.('hx-sse:connect');
  let liveness = null;
  function live(state, words) {
    liveness = [state, words];
    for (const mark of $$('[data-live]')) { mark.dataset.live = state; if (mark.textContent !== words) mark.textContent = words; }
  }
  const connect = (element) => { if (element.isConnected) window.htmx.ajax('GET', element.getAttribute('hx-sse:connect'), { source: element }); };
  // Whatever processes an element twice, it has one stream. A browser gives one server six connections: a tab opened in the
  // background waits until it is looked at.
  const streams = new WeakSet();
  document.addEventListener('htmx:before:request', (event) => {
    if (!isStream(event.target)) return;
    if (streams.has(event.target) || document.hidden) event.preventDefault();
    if (!streams.has(event.target) && document.hidden) document.addEventListener('visibilitychange', () => connect(event.target), { once: true });
    if (!event.defaultPrevented) streams.add(event.target);
  });
  const gone = (status) => [401, 403, 404, 410].includes(status);
  // The extension tries again only after a first success.
  function lost(event) {
    const ctx = event.detail?.ctx, status = ctx?.response?.status;
    if (isStream(event.target)) {
      streams.delete(event.target);
      if (gone(status)) return live('off', 'not live');
      live('lost', 'reconnecting…');
      return void setTimeout(connect, 2000 + Math.random() * 3000, event.target);
    }
    if (status === 422) return;
    if (status === 401) return location.reload();
    notice(status ? `The portal answered ${status} and nothing was changed here. Reload the page, or try again.` : 'The portal did not answer. What you see may be old; try again in a moment.');
  }
  document.addEventListener('htmx:response:error', lost);
  document.addEventListener('htmx:error', (event) => { if (event.detail?.ctx && !event.detail.ctx.response) lost(event); });
  document.addEventListener('htmx:sse:after:connection', () => live('on', 'live'));
  document.addEventListener('htmx:sse:error', ({ detail }) => { detail.connection.over = gone(detail.status); live('lost', 'reconnecting…'); });
  document.addEventListener('htmx:sse:before:connection', (event) => { if (event.detail.connection.over) { event.preventDefault(); live('off', 'not live'); } });
  document.addEventListener('htmx:sse:close', ({ detail, target }) => { streams.delete(target); if (detail.reason === 'message') live('off', 'ended'); });

  // ---- Logs: [data-log data-stream-url="…" data-offset="N"] with pre[data-log-lines] (plain text, or span.line of the server),
  // [data-log-find], [data-log-count], [data-log-follow], [data-log-wrap], a[data-log-earlier] (its ?before= is kept true),
  // [data-log-link] (copies data-log-place="/…&at=" of the box with the offset of the line that was clicked, or else is in sight).
  const KEPT = 5000;
  const plain = (text) => text.replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b./g, '');
  // A carriage return writes over its line, as progress bars do.
  const shown = (line) => { const text = line.replace(/\r+$/, ''); return text.slice(text.lastIndexOf('\r') + 1); };
  const level = (line) => /\b(ERROR|FATAL|CRITICAL)\b|^Traceback |^Caused by: |^[\w.]*(Error|Exception)\b[:(]/.test(line) ? ' error' : /\bWARN(ING)?\b/.test(line) ? ' warn' : '';
  const remember = (key, value) => { try { if (value === undefined) return localStorage.getItem(key); localStorage.setItem(key, value); } catch { /* private mode */ } return null; };

  function log(box) {
    const lines = $('[data-log-lines]', box), find = $('[data-log-find]', box), count = $('[data-log-count]', box), follow = $('[data-log-follow]', box), wrap = $('[data-log-wrap]', box), earlier = $('[data-log-earlier]', box);
    let following = !!follow && follow.getAttribute('aria-pressed') === 'true', held = [], last = -1, open = null, marks = [], at = -1;
    const bottom = () => { lines.scrollTop = lines.scrollHeight; };
    const encoder = new TextEncoder(), bytes = (text) => encoder.encode(text).length;
    const write = (line) => { line.className = `line${level(line.textContent)}`; };
    function append({ offset, text }) {
      const parts = text.split('\n'), fresh = document.createDocumentFragment();
      for (const [i, raw] of parts.entries()) {
        const from = offset, part = plain(raw);
        if (offset >= 0) offset += bytes(raw) + 1;
        if (i === 0 && open) { open.textContent = shown(open.textContent + part); write(open); continue; }
        if (i === parts.length - 1 && !raw) break;
        open = make('span', '', shown(part)); write(open); fresh.append(open);
        if (from >= 0) open.dataset.from = from;
      }
      if (text.endsWith('\n')) open = null;
      lines.append(fresh);
    }
    function take(chunks) {
      chunks.forEach(append);
      // From the top, in whole chunks, so that "earlier" has the offset where the rest begins.
      let kept = lines.childElementCount > KEPT + 500 ? lines.children[lines.childElementCount - KEPT] : null;
      while (kept && !kept.dataset.from) kept = kept.nextElementSibling;
      if (kept) {
        while (lines.firstElementChild !== kept) lines.firstElementChild.remove();
        if (earlier) { const url = new URL(earlier.href); url.searchParams.set('before', kept.dataset.from); earlier.href = url; earlier.closest('[hidden]')?.removeAttribute('hidden'); }
      }
      if (find?.value) search(false);
      bottom();
    }
    function setFollow(on) {
      following = on;
      follow.setAttribute('aria-pressed', on);
      if (on) { take(held); held = []; }
      const words = $('[data-words]', follow) ?? follow;
      words.textContent = on ? 'Following' : 'Follow';
    }
    function search(jump = true) {
      for (const line of new Set(marks.map((mark) => mark.parentNode))) if (line) line.textContent = line.textContent;
      marks = [];
      const sought = find.value.toLowerCase();
      if (sought) for (const line of lines.children) {
        const text = line.textContent, low = text.toLowerCase();
        let from = 0, i = low.indexOf(sought);
        // Lower case may be longer (İ); such a line is found, but not marked at a wrong place.
        if (i < 0 || low.length !== text.length || marks.length > 2000) continue;
        line.textContent = '';
        for (; i >= 0; i = low.indexOf(sought, from)) { const mark = make('mark', '', text.slice(i, from = i + sought.length)); line.append(text.slice(line.textContent.length, i), mark); marks.push(mark); }
        line.append(text.slice(from));
      }
      if (jump) { at = -1; go(1); } else tally();
    }
    const tally = () => { if (count) count.textContent = !find.value ? '' : marks.length ? `${at + 1} of ${marks.length}` : 'none here'; };
    function go(step) {
      marks[at]?.classList.remove('now');
      at = marks.length ? (at + step + marks.length) % marks.length : -1;
      marks[at]?.classList.add('now');
      if (marks[at]) { if (follow && following) setFollow(false); marks[at].scrollIntoView({ block: 'center', inline: 'nearest' }); }
      tally();
    }

    if (!$('.line', lines)) {
      const text = lines.textContent;
      lines.textContent = '';
      append({ offset: -1, text });
    } else {
      for (const line of lines.children) { line.textContent = line.textContent.replace(/\n$/, ''); line.className += level(line.textContent); }
      open = $('.line[data-open]', lines);
    }
    const link = $('[data-log-link]', box);
    if (link) {
      lines.addEventListener('click', (event) => {
        const line = event.target.closest('.line[data-from]');
        if (!line || !getSelection().isCollapsed) return;
        const was = line.classList.contains('here');
        for (const other of $$('.here', lines)) other.classList.remove('here');
        line.classList.toggle('here', !was);
      });
      link.addEventListener('click', () => {
        const top = lines.getBoundingClientRect().top;
        const line = $('.here', lines) ?? $$('.line[data-from]', lines).find((one) => one.getBoundingClientRect().bottom > top + 2);
        link.dataset.copy = new URL(line ? box.dataset.logPlace + line.dataset.from : location.href, location.href).href;
      });
    }
    if (wrap) {
      const set = (on) => { lines.classList.toggle('wrap', on); wrap.setAttribute('aria-pressed', on); };
      set(remember('log-wrap') === 'true');
      wrap.addEventListener('click', () => { const on = !lines.classList.contains('wrap'); set(on); remember('log-wrap', on); });
    }
    if (follow) {
      follow.addEventListener('click', () => setFollow(!following));
      lines.addEventListener('wheel', (event) => { if (event.deltaY < 0 && following) setFollow(false); }, { passive: true });
      lines.addEventListener('keydown', (event) => { if (['PageUp', 'ArrowUp', 'Home'].includes(event.key) && following) setFollow(false); });
    }
    if (find) {
      let timer;
      find.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(search, 150); });
      // Without this, Enter would ask the server for a search of the whole log: that is the button's.
      find.addEventListener('keydown', (event) => { if (event.key === 'Enter' && marks.length) { event.preventDefault(); go(event.shiftKey ? -1 : 1); } });
    }
    const here = $('.here', lines);
    if (here) here.scrollIntoView({ block: 'center' }); else if (following || lines.hasAttribute('data-log-end')) bottom();

    if (!box.dataset.streamUrl || !window.htmx) return;
    box.addEventListener('htmx:sse:before:message', (event) => {
      const { data, event: name } = event.detail.message;
      if (name && name !== 'log') return;
      event.preventDefault();
      const chunk = JSON.parse(data);
      if (chunk.offset <= last) return; // sent again after a reconnect
      last = chunk.offset;
      if (following) return take([chunk]);
      held.push(chunk);
      const more = held.reduce((n, { text }) => n + text.split('\n').length - 1, 0);
      if (follow) ($('[data-words]', follow) ?? follow).textContent = `Follow (${more} new)`;
    });
    const url = new URL(box.dataset.streamUrl, location.href);
    if (box.dataset.offset) url.searchParams.set('after', box.dataset.offset);
    for (const [name, value] of [['hx-sse:connect', url.pathname + url.search], ['hx-sse:close', 'end'], ['hx-swap', 'none']]) box.setAttribute(name, value);
    window.htmx.process(box);
  }

  // ---- Beginning, and again after each swap
  const begun = new WeakSet();
  const words = new WeakMap();
  function begin() {
    for (const [selector, start] of [['form[data-upload]', uploads], ['[data-log]', log]]) for (const element of $$(selector)) if (!begun.has(element)) { begun.add(element); start(element); }
    for (const form of $$('form:has([data-only-if])')) only(form);
    for (const fold of $$('details.fold:has([aria-invalid="true"])')) fold.open = true;
    for (const element of $$('[data-announce]')) {
      const text = element.textContent.trim().replace(/\s+/g, ' ');
      if (words.has(element) && words.get(element) !== text) say(text);
      words.set(element, text);
    }
    if (liveness) live(...liveness); // a swap brought the server's words
    tellTimes();
  }
  document.addEventListener('htmx:after:swap', begin);
  begin();
  // htmx begins in a timer, which may run before a later deferred script: what hx-sse then missed is found here.
  window.htmx?.process(document.body);
  $('[data-autofocus]')?.focus();
})();
