export const content = {
  pixels: (width: string, height: string) => `${width} × ${height} pixels`,
  more: '… and more',
};
