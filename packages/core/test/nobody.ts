/** This process as the user `nobody` for a while: modes keep that user out, as they do no root. */

const NOBODY = 65_534;

export async function asNobody<T>(use: () => Promise<T>): Promise<T> {
  const { setegid, seteuid, getgroups, setgroups } = process;
  if (setegid === undefined || seteuid === undefined || getgroups === undefined || setgroups === undefined) {
    throw new Error('this system has no users');
  }
  const groups = getgroups();
  setgroups([]);
  setegid(NOBODY);
  seteuid(NOBODY);
  try {
    return await use();
  } finally {
    seteuid(0);
    setegid(0);
    setgroups(groups);
  }
}
