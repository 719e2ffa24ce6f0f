// Values of "format" on which every reading of the RFCs agrees: for each, a few that have the format,
// from which the generator makes others by small changes.
export const FORMATS = {
    date: ['2026-11-22', '2024-02-29', '2023-02-29', '0000-01-01'],
    ipv4: ['127.0.0.1', '255.255.255.255', '1.2.3'],
    ipv6: ['::1', '2001:db8::7:1.2.3.4', '1:2:3:4:5:6:7:8'],
    'json-pointer': ['', '/a~0b~1c', '/a/0'],
    'relative-json-pointer': ['0', '1#', '2/a~0b'],
    uuid: ['123e4567-e89b-12d3-a456-426614174000'],
    int32: ['0'],
};
