// A picture from the reader's own machine: chosen, dropped or pasted. It is read, cropped and reduced here, in the page;
// nothing of it goes anywhere.

import { make } from "./frame.ts";
import { reduced, type Picture } from "../pictures.ts";

/** A file that is no picture we can read; the message says what to do. */
export class PictureFileError extends Error {}

const MOST_BYTES = 30e6;
const MOST_PIXELS = 64e6; // as tfedu.data.pictures
/** A larger picture is first brought to this side by the browser. */
const LARGE = 2048;

export interface DoorHands {
  take(picture: Picture, name: string): void;
  refuse(why: string): void;
}

/** The ways for a file to come in: a button, what it is dropped on, and the clipboard. */
export class PictureDoor {
  readonly button = make("button", { type: "button" }, "Your own picture …");
  readonly input = make("input", { type: "file", accept: "image/*", hidden: "" });

  /**
   *   size: side of the pictures that the model reads.
   *   root: a picture pasted while the focus is in here is taken.
   *   place: a picture dropped here is taken.
   */
  constructor(
    private readonly size: number,
    root: HTMLElement,
    place: HTMLElement,
    private readonly hands: DoorHands,
  ) {
    this.button.addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => {
      void this.take(this.input.files);
      this.input.value = ""; // so that the same file, chosen again, is news
    });
    root.addEventListener("paste", (event) => {
      const files = event.clipboardData?.files;
      if (!files?.length) return;
      event.preventDefault();
      void this.take(files);
    });
    for (const kind of ["dragenter", "dragover", "dragleave", "drop"] as const) {
      place.addEventListener(kind, (event) => {
        event.preventDefault(); // or the browser would leave the page for the file
        place.classList.toggle("over", kind === "dragenter" || kind === "dragover");
        if (kind === "drop") void this.take(event.dataTransfer?.files);
      });
    }
  }

  private async take(files: FileList | null | undefined): Promise<void> {
    const file = files?.[0];
    if (!file) return this.hands.refuse("What was dropped is no file: save the picture first, then drop the file.");
    try {
      this.hands.take(await fromFile(file, this.size), file.name);
    } catch (error) {
      this.hands.refuse(error instanceof PictureFileError ? error.message : `${file.name || "This file"} could not be read as a picture.`);
    }
  }
}

/**
 * The middle square of a picture file, reduced to `size` pixels: turned as its camera says, transparent parts on white, of
 * an animation the first frame. Throws `PictureFileError` for anything that is no picture, is damaged, or too large.
 */
export async function fromFile(file: Blob & { readonly name?: string }, size: number): Promise<Picture> {
  const name = file.name || "This picture";
  if (!file.size) throw new PictureFileError(`${name} is empty: there is no picture in it.`);
  if (file.size > MOST_BYTES) {
    throw new PictureFileError(`${name} has ${(file.size / 1e6).toFixed(0)} MB; the page reads up to ${MOST_BYTES / 1e6}. The model sees ${size} × ${size} pixels: a small copy does.`);
  }
  const [width, height] = await measured(file, name); // before anything is unpacked: a small file may hold a vast picture
  if (width * height > MOST_PIXELS) {
    throw new PictureFileError(`${name} has ${width} × ${height} pixels, too many to unpack in a page. The model sees ${size} × ${size}: a small copy does.`);
  }
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new PictureFileError(`${name} is damaged, or of a kind that this browser cannot unpack: try a PNG or JPEG file.`);
  }
  const side = Math.min(bitmap.width, bitmap.height);
  const shown = Math.min(side, Math.max(LARGE, size));
  const canvas = make("canvas");
  canvas.width = canvas.height = shown;
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, shown, shown);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, Math.floor((bitmap.width - side) / 2), Math.floor((bitmap.height - side) / 2), side, side, 0, 0, shown, shown);
  bitmap.close();
  return reduced(context.getImageData(0, 0, shown, shown).data, shown, size);
}

/** Width and height, as the browser reads them from the head of the file. */
function measured(file: Blob, name: string): Promise<[number, number]> {
  const url = URL.createObjectURL(file);
  const image = new Image();
  return new Promise<[number, number]>((resolve, reject) => {
    image.addEventListener("load", () => resolve([image.naturalWidth, image.naturalHeight]));
    image.addEventListener("error", () => reject(new PictureFileError(`${name} is no picture that this browser can read: try a PNG, JPEG, GIF or WebP file.`)));
    image.src = url;
  }).finally(() => URL.revokeObjectURL(url));
}

export const DOOR_STYLE = `
.over.board, .over .board { outline: 3px dashed var(--query); outline-offset: 2px; }
`;
