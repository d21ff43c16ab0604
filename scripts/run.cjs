// Starts a script of this project under the Node it is pinned to, and brings in the packages first when they are missing.
// With `--built` in front, the gateway is bundled first when its sources changed, and the bundle runs.
// Plain ES5 CommonJS on purpose: it has to run, and to explain itself, on whatever Node is installed.
'use strict';

var childProcess = require('child_process');
var crypto = require('crypto');
var fs = require('fs');
var path = require('path');

var ROOT = path.join(__dirname, '..');
var OLDEST_NODE = [22, 19];
var KEPT_BUNDLES = 5;
// npm leaves this file behind after each install; it is as old as the installation.
var INSTALLED = path.join(ROOT, 'node_modules', '.package-lock.json');

function modifiedAtMs(file) {
  try {
    return fs.statSync(file).mtimeMs;
  } catch (_absent) {
    return 0;
  }
}

/** The private Node that came as an optional package (Linux and Windows), or null. */
function pinnedNode() {
  var isWindows = process.platform === 'win32';
  var name = 'node-' + (isWindows ? 'win' : process.platform) + '-' + process.arch;
  var file = path.join(ROOT, 'node_modules', name, 'bin', isWindows ? 'node.exe' : 'node');
  return fs.existsSync(file) ? file : null;
}

function isNewEnough(version) {
  var parts = version.replace(/^v/, '').split('.').map(Number);
  return parts[0] > OLDEST_NODE[0] || (parts[0] === OLDEST_NODE[0] && parts[1] >= OLDEST_NODE[1]);
}

function fail(sentence) {
  process.stderr.write('switchyard: ' + sentence + '\n');
  process.exit(1);
}

function installPackages() {
  var isFirst = modifiedAtMs(INSTALLED) === 0;
  process.stderr.write(
    'switchyard: ' +
      (isFirst ? 'packages are not installed yet' : 'package-lock.json is newer than node_modules') +
      ': running npm ci\n',
  );
  var npm = process.env.npm_execpath;
  // A script started by npm knows which npm; from a shell the one on PATH has to do.
  var command = npm ? process.execPath : process.platform === 'win32' ? 'npm.cmd' : 'npm';
  var args = (npm ? [npm] : []).concat(['ci', '--no-audit', '--no-fund']);
  // npm prints on stderr here: the output of the script that follows belongs to whoever reads stdout.
  var result = childProcess.spawnSync(command, args, {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    shell: command === 'npm.cmd',
  });
  if (result.status !== 0) fail('npm ci failed (exit ' + result.status + '): see the lines above');
  var now = new Date();
  fs.utimesSync(INSTALLED, now, now);
}

/** Names the state of everything the bundle is made of: the same name, the same code. */
function sourcesId() {
  var hash = crypto.createHash('sha256');
  function add(file) {
    var stat = fs.statSync(file);
    if (stat.isDirectory()) {
      fs.readdirSync(file)
        .sort()
        .forEach(function (name) {
          add(path.join(file, name));
        });
    } else hash.update(path.relative(ROOT, file) + ':' + stat.mtimeMs + ':' + stat.size + '\n');
  }
  [
    'gateway',
    'renderer',
    'package.json',
    'package-lock.json',
    path.join('scripts', 'build.ts'),
    path.join('scripts', 'build-window.ts'),
  ].forEach(function (name) {
    add(path.join(ROOT, name));
  });
  return hash.digest('hex').slice(0, 12);
}

/** Former bundles are kept for gateways that still run from them and load a part of theirs later. */
function pruneBundles(folder) {
  fs.readdirSync(folder)
    .map(function (name) {
      return { file: path.join(folder, name), atMs: modifiedAtMs(path.join(folder, name)) };
    })
    .sort(function (a, b) {
      return b.atMs - a.atMs;
    })
    .slice(KEPT_BUNDLES)
    .forEach(function (bundle) {
      fs.rmSync(bundle.file, { recursive: true, force: true });
    });
}

/** The bundled gateway, made now if its sources changed; null when it cannot be made, and then the sources run. */
function bundle(node) {
  var folder = path.join(ROOT, 'dist');
  var target = path.join(folder, sourcesId());
  if (fs.existsSync(path.join(target, 'cli.js'))) return path.join(target, 'cli.js');
  process.stderr.write('switchyard: building (once per version)\n');
  var unfinished = target + '.' + process.pid;
  var args = [path.join(ROOT, 'scripts', 'build.ts'), unfinished];
  var result = childProcess.spawnSync(node, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) {
    fs.rmSync(unfinished, { recursive: true, force: true });
    process.stderr.write('switchyard: the build failed (see above): running from the sources, which starts slower\n');
    return null;
  }
  try {
    fs.renameSync(unfinished, target);
  } catch (_builtMeanwhile) {
    // Somebody else made the same bundle at the same time.
    fs.rmSync(unfinished, { recursive: true, force: true });
  }
  pruneBundles(folder);
  return path.join(target, 'cli.js');
}

function main(args) {
  if (modifiedAtMs(INSTALLED) < modifiedAtMs(path.join(ROOT, 'package-lock.json'))) installPackages();
  var node = pinnedNode() || (isNewEnough(process.version) ? process.execPath : null);
  if (!node)
    fail(
      'needs Node ' +
        OLDEST_NODE.join('.') +
        ' or newer, this is ' +
        process.version +
        ': install it from nodejs.org and run the command again',
    );

  // A small nursery: with the default one a gateway under load keeps a third more memory for the same work.
  var flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4'];
  var isBuilt = args[0] === '--built';
  if (isBuilt) args.shift();
  if (args[0] === '--watch') flags.push(args.shift(), '--watch-preserve-output');
  var script = path.resolve(ROOT, args.shift());
  if (isBuilt) script = bundle(node) || script;
  // Tools the script starts (the test runner's workers, npx) must find the same Node.
  var env = Object.assign({}, process.env);
  // Compiled code is kept beside the packages, where only those can write who could change the code itself.
  if (!env.NODE_COMPILE_CACHE) env.NODE_COMPILE_CACHE = path.join(ROOT, 'node_modules', '.cache', 'switchyard');
  env.PATH = path.dirname(node) + path.delimiter + (env.PATH || '');
  var command = flags.concat([script], args);
  // Takes this process's place where Node can do that: one process less in memory, and signals go where they are meant.
  // Not below a parent that talks to this process: that channel would not survive.
  if (process.execve && process.platform !== 'win32' && !env.NODE_CHANNEL_FD)
    process.execve(node, [node].concat(command), env);
  var child = childProcess.spawn(node, command, { stdio: 'inherit', env: env });
  ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach(function (signal) {
    // A terminal sends Ctrl-C to the whole group, so the child may have it already; a second one would force it.
    process.on(signal, function () {
      if (!process.stdin.isTTY || signal !== 'SIGINT') child.kill(signal);
    });
  });
  child.on('error', function (error) {
    fail('cannot start ' + node + ': ' + error.message);
  });
  child.on('exit', function (code, signal) {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exit(code === null ? 1 : code);
  });
}

main(process.argv.slice(2));
