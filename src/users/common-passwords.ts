/**
 * Passwords that are guessed first. Of the length we ask for, lists of leaked passwords hold mostly a few words
 * joined, written with digits for letters, and filled up with digits or a year; walks over the keyboard; and
 * repetitions. So the words are kept and what is made of them is recognised, rather than a list of the results.
 */

const WORDS = `
  password passwort passw pass word contrasena motdepasse senha wachtwoord qwerty qwertz azerty admin administrator
  root user guest login logon welcome willkommen bienvenue letmein changeme secret default test testing temp
  iloveyou love you iloveu baby princess prinzessin sunshine monkey dragon football fussball soccer baseball
  basketball hockey superman batman spiderman pokemon starwars star wars master shadow michael jordan jennifer
  jessica ashley charlie daniel thomas andrew joshua matthew liverpool chelsea arsenal barcelona realmadrid madrid
  manchester united juventus worldcup world cup qatar fifa ticket tickets ticktak computer internet google
  facebook microsoft windows apple samsung summer winter spring autumn january february march april may june july
  august september october november december monday friday sunday hello hallo whatever trustno trust freedom
  flower butterfly cookie chocolate cheese banana orange purple yellow black white blue green red silver golden
  hunter ranger killer ninja mustang ferrari porsche corvette harley phoenix tiger tigger buster pepper ginger
  maggie jesus christ angel heaven diamond forever always mylove mother father family friend friends money
  access please enter open sesame qazwsx wsx edc rfv abc abcd abcdef xyz asdf zxcv my me the is and not a i
`
  .trim()
  .split(/\s+/);

const COMMON = new Set(WORDS);
const WORD_CHARS_MAX = Math.max(...WORDS.map((word) => word.length));

/** Rows, columns and alphabets people walk along, forwards and backwards. */
const WALKS = [
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890123456789',
  'qwertyuiop[]asdfghjkl;zxcvbnm,./',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/',
  '1q2w3e4r5t6y7u8i9o0p',
  '!@#$%^&*()_+',
].flatMap((walk) => [walk, Array.from(walk).reverse().join('')]);

/** Fewer different characters than this are a repetition. */
const DIFFERENT_CHARS_MIN = 5;
/** A walk of fewer keys says nothing. */
const WALK_CHARS_MIN = 4;

/** More than a date in digits and signs is more than filling. */
const FILLING_CHARS_MAX = 8;

const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};

/** Whether it is among the first that are tried. `own`: words about this account. */
export function isCommon(password: string, own: readonly string[] = []): boolean {
  const text = password.toLowerCase();
  if (new Set(text).size < DIFFERENT_CHARS_MIN || isWalks(text)) return true;
  const words = new Set(
    own.map((word) => word.toLowerCase().replace(/[^a-z]/g, '')).filter((w) => w.length >= 3),
  );
  // Digits at the ends fill up, within they stand for letters: "p4ssword2022" and "password2022" are one.
  const core = text.replace(/^[^a-z]+|[^a-z]+$/g, '');
  const read = (from: string): string => Array.from(from, (char) => LEET[char] ?? char).join('');
  return [core, read(core), read(text)].some((candidate) => {
    const letters = candidate.replace(/[^a-z]/g, '');
    return text.length - letters.length <= FILLING_CHARS_MAX && isWords(letters, words);
  });
}

/** Whether it consists of nothing but known words. */
function isWords(letters: string, own: ReadonlySet<string>): boolean {
  if (letters === '') return false;
  const ends = new Set([0]);
  const longest = Math.max(WORD_CHARS_MAX, ...[...own].map((word) => word.length));
  for (let end = 1; end <= letters.length; end += 1) {
    for (let begin = Math.max(0, end - longest); begin < end; begin += 1) {
      const word = letters.slice(begin, end);
      if (ends.has(begin) && (COMMON.has(word) || own.has(word))) ends.add(end);
    }
  }
  return ends.has(letters.length);
}

/** Whether it consists of nothing but walks of at least four keys. */
function isWalks(text: string): boolean {
  let rest = text;
  while (rest !== '') {
    const walked = longestWalk(rest);
    if (walked < WALK_CHARS_MIN) return false;
    rest = rest.slice(walked);
  }
  return true;
}

function longestWalk(text: string): number {
  let length = 0;
  while (length < text.length && WALKS.some((walk) => walk.includes(text.slice(0, length + 1)))) length += 1;
  return length;
}
