/** Names in the character sets of DICOM: the set, the name as people read it, the bytes (PS3.3 C.12.1.1.2, PS3.5 annexes H to K). */
export const NAMES: readonly (readonly [set: string, name: string, bytes: Buffer])[] = [
  ['ISO_IR 100', 'Äneasberg^Rüdiger', latin('\xc4neasberg^R\xfcdiger')],
  ['ISO_IR 101', 'Wałęsińska^Łucja', latin('Wa\xb3\xeasi\xf1ska^\xa3ucja')],
  ['ISO_IR 109', 'Ĵaŭdovic^Ĉiĝo', latin('\xaca\xfddovic^\xc6i\xf8o')],
  ['ISO_IR 110', 'Ķēniņberg^Ģirts', latin('\xd3\xbani\xf1berg^\xabirts')],
  ['ISO_IR 144', 'Люксембург^Роза', latin('\xbb\xee\xda\xe1\xd5\xdc\xd1\xe3\xe0\xd3^\xc0\xde\xd7\xd0')],
  ['ISO_IR 127', 'قبانيان^لنزار', latin('\xe2\xc8\xc7\xe6\xea\xc7\xe6^\xe4\xe6\xd2\xc7\xd1')],
  ['ISO_IR 126', 'Διονυσιου^Ελενη', latin('\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf5^\xc5\xeb\xe5\xed\xe7')],
  ['ISO_IR 138', 'שרונברג^דבורה', latin('\xf9\xf8\xe5\xf0\xe1\xf8\xe2^\xe3\xe1\xe5\xf8\xe4')],
  ['ISO_IR 148', 'Çavuşoğlu^Gülşen', latin('\xc7avu\xfeo\xf0lu^G\xfcl\xfeen')],
  ['ISO_IR 166', 'นามสกุล^ชื่อจริง', latin('\xb9\xd2\xc1\xca\xa1\xd8\xc5^\xaa\xd7\xe8\xcd\xa8\xc3\xd4\xa7')],
  ['ISO_IR 192', 'Wangberg^XiaoDong=王^小東', Buffer.from('Wangberg^XiaoDong=王^小東')],
  ['\\ISO 2022 IR 87', '山田郎', latin('Yamadabe^Tarou=\x1b$B;3EDO:\x1b(B^\x1b$BB@O:\x1b(B')],
  [
    '\\ISO 2022 IR 149',
    '김희중',
    latin('Hongdal^Gildong=\x1b$)C\xb1\xe8\xc8\xf1\xc1\xdf^\x1b$)C\xb1\xe6\xb5\xbf'),
  ],
  ['GB18030', '王小东山', latin('Wangdal^XiaoDong=\xcd\xf5\xd0\xa1\xb6\xab\xc9\xbd')],
]

function latin(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
