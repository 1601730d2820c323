#!/bin/sh
# The demo behind `make demo`: an engine for this machine from the bundled model, then people in photos.
#   DEMO  folder for what it makes    PHOTO  photo or folder to run on    DATA  annotated development photos, if there are any
set -eu
DEMO=${DEMO:-demo} PHOTO=${PHOTO:-} DATA=${DATA:-}
photos=$DEMO/photos
rm -rf "$photos" && mkdir -p "$photos"

if [ -d "$PHOTO" ]; then
    photos=$PHOTO
elif [ -n "$PHOTO" ]; then
    cp "$PHOTO" "$photos"
else
    # The product holds no photos. matplotlib ships a portrait in the public domain (Grace Hopper, US Navy).
    cp "$(python -c "import matplotlib.cbook as c; print(c.get_sample_data('grace_hopper.jpg', asfileobj=False))")" "$photos"
    for id in 000000562207 000000556000 000000050811; do
        if [ -f "$DATA/coco/val/$id.jpg" ]; then cp "$DATA/coco/val/$id.jpg" "$photos"; fi
    done
fi

# Whoever fills a picture is found better at 384 pixels, crowds at 512 (edge-512).
simple-trt build edge-384 --target cpu --precision fp32 --images "$photos" --force -o "$DEMO/edge-384.onnx"
simple-trt run "$DEMO/edge-384.onnx" "$photos" --json "$DEMO/people.json" --save "$DEMO/pictures" --time
echo "pictures: $DEMO/pictures    people: $DEMO/people.json"
