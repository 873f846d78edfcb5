from recolor_torch.data.pictures import Picture, PictureError, PictureInfo, probe, read_picture
