// The four meanings that anything can have, and rest. Each has a colour, an icon and a word, never colour alone.

export type Meaning = 'fine' | 'working' | 'needs-you' | 'broken' | 'rest';
