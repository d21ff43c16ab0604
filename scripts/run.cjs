// Starts a script of this project under the Node it is pinned to, and brings in the packages first when they are missing.
// Plain ES5 CommonJS on purpose: it has to run, and to explain itself, on whatever Node is installed.
'use strict';

var childProcess = require('child_process');
var fs = require('fs');
var path = require('path');

var ROOT = path.join(__dirname, '..');
var OLDEST_NODE = [22, 19];
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

  var flags = ['--disable-warning=ExperimentalWarning'];
  if (args[0] === '--watch') flags.push(args.shift(), '--watch-preserve-output');
  var script = path.resolve(ROOT, args.shift());
  // Tools the script starts (the test runner's workers, npx) must find the same Node.
  var env = Object.assign({}, process.env);
  env.PATH = path.dirname(node) + path.delimiter + (env.PATH || '');
  var child = childProcess.spawn(node, flags.concat([script], args), { stdio: 'inherit', env: env });
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
