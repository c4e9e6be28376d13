/** When a profile is due: a few plain words, in the forms of systemd and of cron, and as a length for judging ages. */

export interface Schedule {
  readonly text: string;
  readonly periodSeconds: number;
  /** systemd's `OnCalendar`. */
  readonly calendar: string;
  /** The first five fields of a crontab line. */
  readonly cron: string;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const DAY_SECONDS = 86_400;

export const SCHEDULE_FORMS = 'hourly, daily 03:30, weekly sun 03:30 or monthly 03:30';

/** Undefined for what is none. */
export function parseSchedule(text: string): Schedule | undefined {
  const match =
    /^(hourly|daily|weekly|monthly)(?: (sun|mon|tue|wed|thu|fri|sat))?(?: ([01]\d|2[0-3]):([0-5]\d))?$/.exec(text);
  if (match === null) return undefined;
  const [, every = '', day, hour = '03', minute = '30'] = match;
  if (day !== undefined && every !== 'weekly') return undefined;
  const at = `${hour}:${minute}:00`;
  const time = `${Number(minute)} ${Number(hour)}`;
  switch (every) {
    case 'hourly':
      return match[3] === undefined
        ? { text, periodSeconds: 3600, calendar: '*-*-* *:30:00', cron: '30 * * * *' }
        : undefined;
    case 'daily':
      return { text, periodSeconds: DAY_SECONDS, calendar: `*-*-* ${at}`, cron: `${time} * * *` };
    case 'weekly': {
      const number = DAYS.indexOf(day ?? 'sun');
      const name = DAYS[number] ?? 'sun';
      const calendar = `${name[0]?.toUpperCase()}${name.slice(1)} *-*-* ${at}`;
      return { text, periodSeconds: 7 * DAY_SECONDS, calendar, cron: `${time} * * ${number}` };
    }
    default:
      return { text, periodSeconds: 31 * DAY_SECONDS, calendar: `*-*-01 ${at}`, cron: `${time} 1 * *` };
  }
}
