/** Times, sizes and durations as duplicity writes them. */

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Local time in the form of C's `ctime`: `Mon Nov 23 21:38:10 2026`. */
export function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number): string => `${value}`.padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = `${date.getDate()}`.padStart(2, ' ');
  return `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${day} ${time} ${date.getFullYear()}`;
}

const UNITS = [
  [2 ** 40, 'TB'],
  [2 ** 30, 'GB'],
  [2 ** 20, 'MB'],
  [2 ** 10, 'KB'],
] as const;

/** `2.94 MB`: three digits that count; below 1024 `173 bytes`. */
export function humanBytes(bytes: number): string {
  if (bytes < 0) return `-${humanBytes(-bytes)}`;
  for (const [size, unit] of UNITS) {
    if (bytes < size) continue;
    const value = bytes / size;
    return `${value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${unit}`;
  }
  return bytes === 1 ? '1 byte' : `${Math.round(bytes)} bytes`;
}

/** `1 hour 2 minutes 3.50 seconds` */
export function humanSeconds(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = seconds % 60;
  const parts = [];
  if (hours > 0) parts.push(hours === 1 ? '1 hour' : `${hours} hours`);
  if (minutes > 0) parts.push(minutes === 1 ? '1 minute' : `${minutes} minutes`);
  if (rest > 0 || parts.length === 0) {
    const text = Number.isInteger(rest) ? `${rest}` : rest.toFixed(2);
    parts.push(rest === 1 ? '1 second' : `${text} seconds`);
  }
  return parts.join(' ');
}

/** `0:12`, `1:02:03` */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => `${value}`.padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `1,234,567` */
export function grouped(count: number): string {
  return `${Math.round(count)}`.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 entry`, `1,234 entries` */
export function counted(count: number, one: string, many: string): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}
